package com.typesafe.config;

/** The configuration, as far as the warm server reads it. */
public interface Config {
    boolean hasPath(String path);

    String getString(String path);
}
