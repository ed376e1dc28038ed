package ai.starlake.buildinfo;

/** The version of this Starlake. */
public final class BuildInfo$ {
    public static final BuildInfo$ MODULE$ = new BuildInfo$();

    private BuildInfo$() {}

    public String version() {
        return "1.5.16-fake";
    }
}
