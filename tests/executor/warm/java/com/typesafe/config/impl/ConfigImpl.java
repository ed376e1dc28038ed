package com.typesafe.config.impl;

import com.typesafe.config.Config;
import java.util.Map;

/** Keeps the environment that it read first until it is told to read it again, as the real class does. */
public class ConfigImpl {
    private static Config kept;

    public static synchronized Config environment() {
        if (kept == null) kept = new Variables(Map.copyOf(System.getenv()));
        return kept;
    }

    public static synchronized void reloadEnvVariablesConfig() {
        kept = null;
    }

    private static final class Variables implements Config {
        private final Map<String, String> values;

        Variables(Map<String, String> values) {
            this.values = values;
        }

        public boolean hasPath(String path) {
            return values.containsKey(path);
        }

        public String getString(String path) {
            return values.get(path);
        }
    }
}
