package ai.starlake.config;

import com.typesafe.config.Config;
import com.typesafe.config.ConfigFactory;

/** Keeps the configuration that it read first until its caches are invalidated: a Scala object, seen from Java. */
public final class Settings$ {
    public static final Settings$ MODULE$ = new Settings$();

    /** What settings are read from; another one each time they are read. */
    public static final class Reference {
        public final Config environment = ConfigFactory.systemEnvironment();
    }

    private Reference kept = new Reference();

    private Settings$() {}

    public Reference referenceConfig() {
        return kept;
    }

    public void invalidateCaches() {
        kept = new Reference();
    }
}
