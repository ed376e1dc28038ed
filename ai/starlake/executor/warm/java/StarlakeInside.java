import java.lang.reflect.*;
import java.math.BigInteger;
import java.security.MessageDigest;
import java.util.*;

import static java.nio.charset.StandardCharsets.UTF_8;

/** What is known of the inside of Starlake, of its libraries and of Java: all of it is reached by reflection. */
final class StarlakeInside {
    static final String PROBE = "SL_WARM_PROBE", CONFIG = "com.typesafe.config.";
    static final String[] POOLS = {"StarlakeConnectionPool$", "JdbcDbUtils$StarlakeConnectionPool$"};
    static final Map<Object, Object> AT_START = new HashMap<>();

    /** Try all that is needed, and tell the results. */
    static boolean check() throws Exception {
        boolean works = works("environment", () -> { AT_START.putAll(environment()); checkEnvironment(); });
        works &= works("configuration", StarlakeInside::checkConfiguration);
        works &= works("settings", StarlakeInside::checkSettings);
        works &= works("duckdb", StarlakeInside::clearPool);
        works &= works("run", () -> entry());
        String version = "";
        for (String name : new String[] {"ai.starlake.buildinfo.BuildInfo$", "buildinfo.BuildInfo$"}) {
            try { version = (String) call(name, "version"); } catch (Exception | LinkageError next) { }
        }
        StarlakeWarmServer.say("starlake", version);
        if (works) enter(AT_START);
        return works;
    }

    static boolean works(String name, StarlakeWarmServer.Task check) {
        String result = "ok";
        try { check.run(); } catch (Throwable failed) { result = cause(failed).toString(); }
        StarlakeWarmServer.say("check:" + name, result);
        return result.equals("ok");
    }

    static void checkEnvironment() throws Exception {
        Map<String, String> seen = System.getenv();
        Set<Map.Entry<String, String>> entries = seen.entrySet(); // views that others may keep
        environment().put(variable("Variable", PROBE.getBytes()), variable("Value", "probe".getBytes()));
        boolean shown = "probe".equals(System.getenv(PROBE)) && entries.contains(Map.entry(PROBE, "probe"))
            && System.getenv().keySet().contains(PROBE) && seen.size() == AT_START.size() + 1;
        require(shown, "System.getenv does not show a new variable");
        String inherited = new ProcessBuilder().environment().get(PROBE);
        require("probe".equals(inherited), "child processes do not get a new variable");
    }

    static void checkConfiguration() throws Exception {
        call(CONFIG + "impl.ConfigImpl", "reloadEnvVariablesConfig");
        require("probe".equals(configured(PROBE)), "the configuration does not show a new variable after its reload");
    }

    static void checkSettings() throws Exception {
        Object kept = call("ai.starlake.config.Settings$", "referenceConfig");
        call("ai.starlake.config.Settings$", "invalidateCaches");
        boolean renewed = kept != call("ai.starlake.config.Settings$", "referenceConfig");
        require(renewed, "ai.starlake.config.Settings.invalidateCaches keeps the old settings");
    }

    /** Let go of DuckDB files. Up to 1.3.0 each connection is closed after its use; up to 1.5.2 no method does it. */
    static void clearPool() throws Exception {
        for (String name : POOLS) {
            Class<?> pool;
            try { pool = Class.forName("ai.starlake.extract." + name); } catch (ClassNotFoundException no) { continue; }
            for (Field field : pool.getDeclaredFields()) {
                if (!field.getName().endsWith("duckDbPool")) continue;
                boolean told = Arrays.stream(pool.getMethods()).anyMatch(m -> m.getName().equals("clearDuckdbPool"));
                if (told) call(pool.getName(), "clearDuckdbPool");
                else closeAll(field, pool.getField("MODULE$").get(null));
            }
            return;
        }
        throw new ClassNotFoundException("ai.starlake.extract.StarlakeConnectionPool");
    }

    /** Close the values of a map of Scala, and empty it. */
    static void closeAll(Field field, Object module) throws Exception {
        field.setAccessible(true);
        Object map = field.get(module), entries = on(map, "iterator");
        while ((Boolean) on(entries, "hasNext")) ((AutoCloseable) on(on(entries, "next"), "_2")).close();
        on(map, "clear");
    }

    static Method entry() throws Exception {
        Method[] methods = Class.forName("ai.starlake.job.Main").getMethods();
        for (Method run : methods) {
            boolean fits = Arrays.equals(run.getParameterTypes(), new Class<?>[] {String[].class});
            if (run.getName().equals("run") && fits && run.getReturnType() != void.class) return run;
        }
        throw new IllegalStateException("ai.starlake.job.Main has no run(String[]) that tells how a command went");
    }

    static int run(String[] arguments) throws Exception {
        Object result = entry().invoke(entry().getDeclaringClass().getConstructor().newInstance(), (Object) arguments);
        return result instanceof Number ? ((Number) result).intValue() : Boolean.TRUE.equals(result) ? 0 : 1;
    }

    /** True in a thread that does not begin in Starlake's own code: of a pool, or of a library, it works for all. */
    static boolean servesAll() {
        String outermost = StackWalker.getInstance().walk(frames -> frames.map(frame -> frame.getClassName())
            .filter(name -> !name.startsWith("java.lang.")).reduce("", (one, next) -> next));
        return !outermost.startsWith("ai.starlake.");
    }

    // ---- the environment: names and values in turn, as bytes

    /** The map inside System.getenv, of which all its views and the environment of child processes are made. */
    @SuppressWarnings("unchecked")
    static Map<Object, Object> environment() throws Exception {
        Field map = Class.forName("java.lang.ProcessEnvironment").getDeclaredField("theEnvironment");
        map.setAccessible(true);
        return (Map<Object, Object>) map.get(null);
    }

    static Object variable(String kind, byte[] data) throws Exception {
        Method valueOf = Class.forName("java.lang.ProcessEnvironment$" + kind).getMethod("valueOf", byte[].class);
        valueOf.setAccessible(true);
        return valueOf.invoke(null, (Object) data);
    }

    static void enter(List<byte[]> variables) throws Exception {
        Map<Object, Object> wanted = new HashMap<>();
        for (int i = 0; i < variables.size(); i += 2) {
            wanted.put(variable("Variable", variables.get(i)), variable("Value", variables.get(i + 1).clone()));
        }
        enter(wanted);
    }

    /** Let Java and Starlake have this environment, and nothing of another one. */
    static void enter(Map<Object, Object> wanted) throws Exception {
        environment().clear();
        environment().putAll(wanted);
        call(CONFIG + "impl.ConfigImpl", "reloadEnvVariablesConfig");
        call("ai.starlake.config.Settings$", "invalidateCaches");
        clearPool();
    }

    /** SL_ROOT as settings read it, and the digest of the environment as System.getenv shows it. */
    static List<byte[]> state(List<byte[]> variables) throws Exception {
        Map<String, byte[]> wanted = new HashMap<>();
        for (byte[] each : variables) wanted.put(text(each), each);
        TreeSet<byte[]> entries = new TreeSet<>(Arrays::compareUnsigned);
        for (Map.Entry<String, String> each : System.getenv().entrySet()) {
            String value = System.getenv(each.getKey());
            byte[] name = bytes(wanted, each.getKey());
            byte[] data = bytes(wanted, each.getValue().equals(value) ? value : "not " + value);
            byte[] entry = Arrays.copyOf(name, name.length + data.length + 2);
            entry[name.length] = '=';
            System.arraycopy(data, 0, entry, name.length + 1, data.length);
            entries.add(entry);
        }
        MessageDigest digest = MessageDigest.getInstance("SHA-256");
        entries.forEach(digest::update);
        String hex = String.format("%064x", new BigInteger(1, digest.digest()));
        return List.of(bytes(wanted, configured("SL_ROOT")).clone(), hex.getBytes(UTF_8));
    }

    /** The bytes that a text was made of; Java may have lost some of them. */
    static byte[] bytes(Map<String, byte[]> wanted, String text) {
        return wanted.getOrDefault(text, text.getBytes(UTF_8));
    }

    static String text(byte[] data) {
        try { return variable("Value", data).toString(); } catch (Exception e) { throw new IllegalStateException(e); }
    }

    static String configured(String name) throws Exception {
        Object config = call(CONFIG + "ConfigFactory", "systemEnvironment");
        Class<?> type = Class.forName(CONFIG + "Config");
        boolean has = (Boolean) type.getMethod("hasPath", String.class).invoke(config, name);
        return has ? (String) type.getMethod("getString", String.class).invoke(config, name) : "";
    }

    // ---- reflection

    /** Call a static method, or one of a Scala object. */
    static Object call(String type, String name) throws Exception {
        Class<?> found = Class.forName(type);
        Method method = found.getMethod(name);
        method.setAccessible(true);
        boolean isStatic = Modifier.isStatic(method.getModifiers());
        return method.invoke(isStatic ? null : found.getField("MODULE$").get(null));
    }

    static Object on(Object target, String name) throws Exception {
        Method method = target.getClass().getMethod(name);
        method.setAccessible(true);
        return method.invoke(target);
    }

    static void require(boolean condition, String otherwise) {
        if (!condition) throw new IllegalStateException(otherwise);
    }

    static Throwable cause(Throwable failed) {
        return failed instanceof InvocationTargetException ? failed.getCause() : failed;
    }
}
