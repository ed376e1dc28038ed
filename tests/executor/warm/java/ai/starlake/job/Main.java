package ai.starlake.job;

import ai.starlake.config.Settings$;
import ai.starlake.extract.StarlakeConnectionPool$;
import com.typesafe.config.Config;
import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Properties;
import java.util.TreeMap;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;

/**
 * A fake Starlake with the real one's entry: `run` returns a truth value, `main` ends the virtual machine.
 *
 * <p>{@code transform --name fake.WHAT} does what a virtual machine can do wrong; see {@link #misbehave}. Everything else
 * is done by the stand-in executable of the executor contract, as a child process with the environment of System.getenv
 * and on the project that the settings name; or by another executable, if FAKE_STARLAKE_RUNS names one. Its exit codes
 * other than 0 and 1 end the virtual machine.
 *
 * <p>On the class path, fake.properties names Python (`python`) and the stand-in (`stand_in`).
 */
public class Main {
    private static final ExecutorService POOL = Executors.newFixedThreadPool(1, Main::daemon);
    private static final List<byte[]> HOARD = new ArrayList<>();
    private static int commands;

    public static void main(String[] arguments) throws Exception {
        System.exit(new Main().run(arguments) ? 0 : 1);
    }

    public boolean run(String[] arguments) throws Exception {
        commands++;
        List<String> given = Arrays.asList(arguments);
        int name = given.indexOf("--name") + 1;
        if (name > 0 && name < given.size() && given.get(name).startsWith("fake.")) {
            return misbehave(given.get(name).substring(5), given);
        }
        return standIn(given);
    }

    /** The project that the settings name, as they were read. */
    private static String root() {
        Config environment = Settings$.MODULE$.referenceConfig().environment;
        return environment.hasPath("SL_ROOT") ? environment.getString("SL_ROOT") : Path.of("").toAbsolutePath().toString();
    }

    private static boolean misbehave(String what, List<String> arguments) throws Exception {
        String[] words = what.split("_");
        int number = words.length > 1 ? Integer.parseInt(words[1]) : 0;
        switch (words[0]) {
            case "count": // the number of this command in this virtual machine, its process, and the project
                System.out.println("command " + commands + " of process " + ProcessHandle.current().pid() + " on " + root());
                return true;
            case "false": // a command that fails without an exception
                return false;
            case "throws":
                throw new IllegalStateException("broken on purpose");
            case "exits": // _CODE
                System.out.print("about to exit");
                System.exit(number);
                return true;
            case "beside": // _CODE: as above, in a thread of its own
                daemon(() -> System.exit(number)).start();
                Thread.sleep(60_000);
                return true;
            case "leaves": // _CODE: a thread that exits once there is the file `exit` in the project
                String exit = root() + "/exit";
                daemon(() -> { while (!Files.exists(Path.of(exit))) pause(); System.exit(number); }).start();
                return true;
            case "halts": // _CODE: as SL_FORCE_HALT does
                System.out.println("about to halt");
                Runtime.getRuntime().halt(number);
                return true;
            case "killed": // by SIGKILL
                new ProcessBuilder("kill", "-9", "" + ProcessHandle.current().pid()).start().waitFor();
                Thread.sleep(60_000);
                return true;
            case "memory": // runs out of it
                while (true) HOARD.add(new byte[16 << 20]);
            case "slow": // five minutes
                System.out.println("slow began");
                Thread.sleep(300_000);
                return true;
            case "waits": // for the file `go` in the project
                System.out.println("waiting");
                while (!Files.exists(Path.of(root(), "go"))) pause();
                return true;
            case "unended": // a last line without line break, on both streams
                System.out.print("out without end");
                System.err.print("err without end");
                return true;
            case "bytes": // not UTF-8
                System.out.write(new byte[] {'a', (byte) 0xff, (byte) 0xc3, (byte) 0xa9, 0, 'b', '\n'});
                System.err.write(new byte[] {(byte) 0xfe, '\n'});
                return true;
            case "lines": // _COUNT
                for (int i = 0; i < number; i++) System.out.println("line " + i);
                return true;
            case "thread": // one that lives on and prints
                daemon(() -> { while (true) { System.out.println("left over"); pause(); } }).start();
                return true;
            case "pool": // a line of a thread that the first such command started
                POOL.submit(() -> System.out.println("from the pool")).get();
                return true;
            case "lock": // keeps a file of the project locked until the pool is cleared
                StarlakeConnectionPool$.MODULE$.open(Path.of(root(), "fake.lock"));
                return true;
            case "arguments":
                for (String argument : arguments) System.out.println("[" + argument.replace("\n", "\\n") + "]");
                return true;
            case "environment": // as everybody may read it: settings, System.getenv in two ways, child processes
                environment();
                return true;
            default:
                throw new IllegalArgumentException("no such misbehaviour: " + what);
        }
    }

    private static void environment() throws Exception {
        System.out.println("settings SL_ROOT=" + root());
        System.out.println("property " + System.getProperty("fake.property"));
        for (Map.Entry<String, String> entry : new TreeMap<>(System.getenv()).entrySet()) {
            System.out.println("entry " + entry.getKey() + "=" + entry.getValue());
            System.out.println("name " + entry.getKey() + "=" + System.getenv(entry.getKey()));
        }
        child(List.of("env"), "child ");
    }

    private static boolean standIn(List<String> arguments) throws Exception {
        Properties properties = new Properties();
        try (InputStream file = Main.class.getResourceAsStream("/fake.properties")) {
            properties.load(file);
        }
        List<String> command = new ArrayList<>();
        String runs = System.getenv("FAKE_STARLAKE_RUNS");
        command.addAll(runs != null ? List.of(runs)
            : List.of(properties.getProperty("python"), "-I", "-S", properties.getProperty("stand_in"), root()));
        command.addAll(arguments);
        int code = child(command, "");
        if (code > 1) System.exit(code);
        return code == 0;
    }

    /** Run a process with the environment of System.getenv, and print what it prints. */
    private static int child(List<String> command, String prefix) throws Exception {
        ProcessBuilder builder = new ProcessBuilder(command);
        builder.environment(); // else it would inherit the environment that the virtual machine was started with
        Process process = builder.start();
        process.getOutputStream().close();
        Thread errors = daemon(() -> copy(process.getErrorStream(), System.err, prefix));
        errors.start();
        copy(process.getInputStream(), System.out, prefix);
        errors.join();
        return process.waitFor();
    }

    private static void copy(InputStream from, OutputStream to, String prefix) {
        try {
            for (byte[] line; (line = line(from)).length > 0; ) {
                byte[] whole = Arrays.copyOf(prefix.getBytes(), prefix.length() + line.length);
                System.arraycopy(line, 0, whole, prefix.length(), line.length);
                to.write(whole);
                to.flush();
            }
        } catch (IOException ended) {
            System.err.println(ended);
        }
    }

    private static byte[] line(InputStream from) throws IOException {
        java.io.ByteArrayOutputStream line = new java.io.ByteArrayOutputStream();
        for (int one; (one = from.read()) >= 0; ) {
            line.write(one);
            if (one == '\n') break;
        }
        return line.toByteArray();
    }

    private static void pause() {
        try {
            Thread.sleep(20);
        } catch (InterruptedException ended) {
            Thread.currentThread().interrupt();
        }
    }

    private static Thread daemon(Runnable work) {
        Thread thread = new Thread(work);
        thread.setDaemon(true);
        return thread;
    }
}
