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
    static final int BROKEN = 1, CHECKS_FAILED = 72, CLIENT_GONE = 73, OWNER_GONE = 74, SPOILT = 75, PATIENCE = 10_000;
    static final PrintStream LOG = System.err;
    static final Semaphore TURN = new Semaphore(1);
    static final InheritableThreadLocal<Command> STARTED_BY = new InheritableThreadLocal<>();
    static final List<byte[]> ABOUT = new ArrayList<>();
    static volatile Command current;
    static volatile long idleSince = System.nanoTime();

    public static void main(String[] none) throws Exception {
        DataInputStream in = new DataInputStream(System.in);
        // before any class of Starlake or log4j is loaded: they keep the streams that they find
        System.setOut(new PrintStream(new Switch(Frames.STDOUT), true, UTF_8));
        System.setErr(new PrintStream(new Switch(Frames.STDERR), true, UTF_8));
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
        Files.write(part, Frames.frame(Frames.HELLO, Frames.list(ABOUT)));
        Files.move(part, file, StandardCopyOption.ATOMIC_MOVE);
        if (!works) end(CHECKS_FAILED);
        Runtime.getRuntime().addShutdownHook(new Thread(() -> { Command c = current; if (c != null) c.exits(); }));
        long ms = Long.parseLong(new String(start.get(2), UTF_8)), pause = Math.min(500, 1 + ms / 4);
        thread("idle", () -> { while (!idles(Files.exists(file) ? ms * 1_000_000 : 0)) Thread.sleep(pause); end(0); });
        while (true) {
            Socket socket = server.accept();
            thread("client", () -> { try (socket) { serve(socket, start.get(0)); } });
        }
    }

    static boolean idles(long limit) { // 0 without its file: nobody finds it
        if (System.nanoTime() - idleSince < limit || !TURN.tryAcquire()) return false;
        if (System.nanoTime() - idleSince >= limit) return true;
        TURN.release(); // a command ended just now
        return false;
    }

    static void serve(Socket socket, byte[] token) throws Exception {
        socket.setSoTimeout(PATIENCE);
        socket.setTcpNoDelay(true);
        DataInputStream in = new DataInputStream(new BufferedInputStream(socket.getInputStream()));
        if (!MessageDigest.isEqual(Frames.read(in, Frames.OPEN, 1024), Frames.list(List.of(token)))) return;
        socket.setSoTimeout(0);
        Frames.send(socket, Frames.HELLO, ABOUT);
        Command command = null;
        try {
            while (true) {
                Command next = new Command(socket, Frames.parts(Frames.read(in, Frames.REQUEST, 1 << 26)));
                String refusal = "another command is under way";
                if (TURN.tryAcquire(1, TimeUnit.SECONDS)) refusal = (command = next).prepare();
                if (refusal == null) {
                    Frames.send(socket, Frames.READY, StarlakeInside.state(command.variables));
                    Frames.read(in, Frames.GO, 0);
                    command.go();
                } else Frames.send(socket, Frames.REFUSED, List.of(refusal.getBytes(UTF_8)));
            }
        } finally { // the client is gone, or speaks nonsense
            if (command != null) command.leave();
        }
    }

    /** One command. It has the turn from its preparation to its end. */
    static final class Command {
        enum Stage { WAITS, RUNS, EXITS, OVER }
        final Socket socket;
        final String folder;
        final String[] arguments;
        final List<byte[]> variables;
        Stage stage = Stage.WAITS;

        Command(Socket socket, List<byte[]> parts) {
            this.socket = socket;
            int end = 2 + Integer.parseInt(new String(parts.get(1), UTF_8));
            folder = StarlakeInside.text(parts.get(0));
            arguments = parts.subList(2, end).stream().map(StarlakeInside::text).toArray(String[]::new);
            variables = parts.subList(end, parts.size());
        }

        /** Return null if it may begin, else why not. */
        String prepare() {
            try {
                Path wanted = Paths.get(folder).toRealPath(), here = Paths.get("").toRealPath();
                if (!wanted.equals(here)) throw new IOException("its folder is " + wanted + ", not " + here);
                StarlakeInside.enter(variables);
                return null;
            } catch (Throwable failed) {
                over();
                return StarlakeInside.cause(failed).toString();
            }
        }

        synchronized void go() {
            stage = Stage.RUNS;
            current = this;
            thread("command", this::run);
            thread("heartbeat", () -> { while (print(Frames.HEARTBEAT, new byte[0], 0, 0)) Thread.sleep(1000); });
        }

        void run() throws Exception {
            STARTED_BY.set(this);
            int code = 1;
            boolean spoilt = false;
            try { code = StarlakeInside.run(arguments); } catch (Throwable failed) {
                spoilt = StarlakeInside.cause(failed) instanceof VirtualMachineError; // such as no memory left
                StarlakeInside.cause(failed).printStackTrace();
            }
            try { StarlakeInside.clearPool(); } catch (Throwable failed) {
                spoilt = true;
                failed.printStackTrace(LOG);
            }
            List<byte[]> end = new ArrayList<>(List.of(String.valueOf(code).getBytes(UTF_8)));
            end.addAll(StarlakeInside.state(variables));
            synchronized (this) {
                if (stage != Stage.RUNS) return;
                if (!spoilt) over(); // before END: the next request may follow it at once
                stage = Stage.OVER;
                Frames.send(socket, Frames.END, end);
            }
            if (spoilt) end(SPOILT);
        }

        /** Send what it printed; return false if it does not run any more. */
        synchronized boolean print(int kind, byte[] data, int from, int length) {
            if (stage != Stage.RUNS) return false;
            byte[] frame = Frames.frame(kind, Arrays.copyOfRange(data, from, from + length));
            try { socket.getOutputStream().write(frame); } catch (IOException gone) { halt(CLIENT_GONE); }
            return true;
        }

        /** Tell the client that the command ends the virtual machine: its exit code is the status of the process. */
        synchronized void exits() { print(Frames.EXITING, new byte[0], 0, 0); stage = Stage.EXITS; }

        synchronized void leave() {
            if (stage == Stage.RUNS) halt(CLIENT_GONE);
            if (stage == Stage.WAITS) over();
        }

        void over() { stage = Stage.OVER; current = null; idleSince = System.nanoTime(); TURN.release(); }
    }

    /** System.out or System.err: passes on what the threads of the command under way print. */
    static final class Switch extends OutputStream {
        final int kind;
        Switch(int kind) { this.kind = kind; }
        public void write(int one) throws IOException { write(new byte[] {(byte) one}, 0, 1); }
        public void write(byte[] data, int from, int length) throws IOException {
            Command command = current, by = STARTED_BY.get();
            boolean another = by != null && by != command && !StarlakeInside.servesAll();
            if (command == null || another || !command.print(kind, data, from, length)) LOG.write(data, from, length);
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

    /** End at once if a command runs; else let the hooks of Spark clean up, if they are quick. */
    static void end(int code) {
        if (current != null) halt(code);
        thread("end", () -> { Thread.sleep(PATIENCE); halt(code); });
        System.exit(code);
    }
}
