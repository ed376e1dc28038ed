package com.typesafe.config;

import com.typesafe.config.impl.ConfigImpl;

/** Where Starlake's settings read the environment. */
public final class ConfigFactory {
    public static Config systemEnvironment() {
        return ConfigImpl.environment();
    }
}
