import java.io.*;
import java.net.*;
import java.nio.file.*;
import java.nio.file.attribute.PosixFilePermissions;
import java.security.MessageDigest;
import java.util.*;
import java.util.concurrent.*;

import static java.nio.charset.StandardCharsets.UTF_8;

/** Runs commands of Starlake one after another by its public entry, as the docstring of warm_frames.py describes. */
public final class StarlakeWarmServer {
    static final int BROKEN = 1, CHECKS_FAILED = 72, CLIENT_GONE = 73, OWNER_GONE = 74, SPOILT = 75, UNUSED = 76;
    static final int PATIENCE = 10_000;
    static final PrintStream LOG = System.err;
    static final List<byte[]> ABOUT = new ArrayList<>();

    public static void main(String[] none) throws Exception {
        DataInputStream in = new DataInputStream(System.in);
        // before any class of Starlake or log4j is loaded: they keep the streams that they find
        System.setOut(new PrintStream(new StarlakeWarmCommand.Switch(Frames.STDOUT), true, UTF_8));
        System.setErr(new PrintStream(new StarlakeWarmCommand.Switch(Frames.STDERR), true, UTF_8));
        System.setIn(InputStream.nullInputStream());
        List<byte[]> start = Frames.parts(Frames.read(in, Frames.START, 1 << 20));
        for (int i = 3; i < start.size(); i += 2) {
            System.setProperty(StarlakeInside.text(start.get(i)), StarlakeInside.text(start.get(i + 1)));
        }
        thread("owner", () -> { while (in.read() >= 0) { } end(OWNER_GONE); });
        say("protocol", Frames.PROTOCOL, "pid", ProcessHandle.current().pid());
        say("java", System.getProperty("java.version"));
        boolean works = StarlakeInside.check();
        ServerSocket server = new ServerSocket(0, 50, InetAddress.getByName("127.0.0.1"));
        say("port", works ? server.getLocalPort() : 0);
        Path file = Paths.get(StarlakeInside.text(start.get(1))), part = Paths.get(file + ".part");
        Files.createFile(part, PosixFilePermissions.asFileAttribute(PosixFilePermissions.fromString("rw-------")));
        try (OutputStream out = Files.newOutputStream(part)) { Frames.send(out, Frames.HELLO, ABOUT); }
        Files.move(part, file, StandardCopyOption.ATOMIC_MOVE);
        if (!works) end(CHECKS_FAILED);
        Runtime.getRuntime().addShutdownHook(new StarlakeWarmCommand.Ending());
        long ms = Long.parseLong(new String(start.get(2), UTF_8)), pause = Math.min(500, 1 + ms / 4);
        thread("idle", () -> { while (!idles(Files.exists(file) ? ms * 1_000_000 : 0)) Thread.sleep(pause); end(UNUSED); });
        while (true) {
            Socket socket = server.accept();
            thread("client", () -> { try (socket) { serve(socket, start.get(0)); } });
        }
    }

    static boolean idles(long limit) { // 0 without its file: nobody finds it
        if (System.nanoTime() - StarlakeWarmCommand.idleSince < limit) return false;
        if (!StarlakeWarmCommand.TURN.tryAcquire()) return false;
        if (System.nanoTime() - StarlakeWarmCommand.idleSince >= limit) return true;
        StarlakeWarmCommand.TURN.release(); // a command ended just now
        return false;
    }

    static void serve(Socket socket, byte[] token) throws Exception {
        socket.setSoTimeout(PATIENCE);
        socket.setTcpNoDelay(true);
        DataInputStream in = new DataInputStream(socket.getInputStream()); // no buffer: it would keep secrets
        OutputStream out = socket.getOutputStream();
        if (!MessageDigest.isEqual(Frames.read(in, Frames.OPEN, 1024), Frames.list(List.of(token)))) return;
        socket.setSoTimeout(0);
        Frames.send(out, Frames.HELLO, ABOUT);
        StarlakeWarmCommand command = null;
        try {
            while (true) {
                List<byte[]> parts = Frames.parts(Frames.read(in, Frames.REQUEST, 1 << 26));
                StarlakeWarmCommand next = new StarlakeWarmCommand(out, parts);
                String refusal = "another command is under way";
                if (StarlakeWarmCommand.ending) refusal = "the virtual machine is ending";
                else if (StarlakeWarmCommand.TURN.tryAcquire(1, TimeUnit.SECONDS)) refusal = (command = next).prepare();
                if (refusal == null) {
                    Frames.send(out, Frames.READY, StarlakeInside.state(command.variables));
                    Frames.read(in, Frames.GO, 0);
                    command.go();
                } else Frames.send(out, Frames.REFUSED, List.of(refusal.getBytes(UTF_8)));
            }
        } finally { // the client is gone, or speaks nonsense
            if (command != null) command.leave();
        }
    }

    static void say(Object... texts) { for (Object each : texts) ABOUT.add(String.valueOf(each).getBytes(UTF_8)); }

    interface Task { void run() throws Exception; }

    static void thread(String name, Task task) {
        Thread thread = new Thread(() -> {
            try { task.run(); } catch (EOFException | SocketException gone) { } catch (Throwable failed) {
                failed.printStackTrace(LOG);
                if (name.equals("command")) halt(BROKEN); // else its client would wait for ever
            }
        }, "warm-" + name);
        thread.setDaemon(true);
        thread.start();
    }

    static void halt(int code) {
        ProcessHandle.current().descendants().forEach(ProcessHandle::destroyForcibly);
        Runtime.getRuntime().halt(code);
    }

    static void lost() { halt(CLIENT_GONE); }

    /** End at once if a command runs; else let the hooks of Spark clean up, if they are quick. */
    static void end(int code) {
        if (StarlakeWarmCommand.current != null) halt(code);
        thread("end", () -> { Thread.sleep(PATIENCE); halt(code); });
        System.exit(code);
    }
}
