import java.io.*;
import java.nio.file.*;
import java.util.*;
import java.util.concurrent.Semaphore;

import static java.nio.charset.StandardCharsets.UTF_8;

/** One command. It has the turn from its preparation to its end; what it and its threads print goes to its client. */
final class StarlakeWarmCommand {
    static final byte[] FOREIGN = "a thread that is not of this command ends the virtual machine\n".getBytes(UTF_8);
    static final Semaphore TURN = new Semaphore(1);
    static final InheritableThreadLocal<StarlakeWarmCommand> STARTED_BY = new InheritableThreadLocal<>();
    static volatile StarlakeWarmCommand current;
    static volatile boolean ending;
    static volatile long idleSince = System.nanoTime();

    enum Stage { WAITS, RUNS, EXITS, OVER }
    final OutputStream out;
    final String folder;
    final String[] arguments;
    final List<byte[]> variables;
    Stage stage = Stage.WAITS;

    StarlakeWarmCommand(OutputStream out, List<byte[]> parts) {
        this.out = out;
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
            forget();
            over();
            return StarlakeInside.cause(failed).toString();
        }
    }

    synchronized void go() {
        stage = Stage.RUNS;
        current = this;
        StarlakeWarmServer.thread("command", this::run);
        StarlakeWarmServer.thread("heartbeat", this::beat);
    }

    void run() throws Exception {
        STARTED_BY.set(this);
        int code = 1;
        boolean spoilt = false;
        try { code = StarlakeInside.run(arguments); } catch (Throwable failed) {
            spoilt = StarlakeInside.cause(failed) instanceof VirtualMachineError; // such as no memory left
            StarlakeInside.cause(failed).printStackTrace();
        }
        List<byte[]> end = new ArrayList<>(List.of(String.valueOf(code).getBytes(UTF_8)));
        end.addAll(StarlakeInside.state(variables));
        if (!forget()) spoilt = true;
        synchronized (this) {
            if (stage != Stage.RUNS) return;
            if (!spoilt) over(); // before END: the next request may follow it at once
            stage = Stage.OVER;
            Frames.send(out, Frames.END, end);
        }
        if (spoilt) StarlakeWarmServer.end(StarlakeWarmServer.SPOILT);
    }

    void beat() throws Exception { while (print(Frames.HEARTBEAT, new byte[0])) Thread.sleep(1000); }

    boolean print(int kind, byte[] data) { return print(kind, data, 0, data.length); }

    /** Send what it printed at once; return false if it does not run any more. */
    synchronized boolean print(int kind, byte[] data, int from, int length) {
        if (stage != Stage.RUNS) return false;
        try { out.write(Frames.frame(kind, data, from, length)); } catch (IOException gone) { StarlakeWarmServer.lost(); }
        return true;
    }

    /** Tell the client that the command ends the virtual machine: its exit code is the status of the process. */
    synchronized void exits() { print(Frames.EXITING, new byte[0]); stage = Stage.EXITS; }

    synchronized void leave() {
        if (stage == Stage.RUNS) StarlakeWarmServer.lost();
        if (stage != Stage.WAITS) return;
        forget();
        over();
    }

    /** Let nobody read its variables any more; return false if connections stay open. */
    boolean forget() {
        variables.forEach(each -> Arrays.fill(each, (byte) 0));
        try { StarlakeInside.enter(StarlakeInside.AT_START); } catch (Throwable failed) {
            failed.printStackTrace(StarlakeWarmServer.LOG);
            return false;
        }
        return true;
    }

    void over() { stage = Stage.OVER; current = null; idleSince = System.nanoTime(); TURN.release(); }

    /** The thread that ends the virtual machine starts this hook. Only what the command ends itself has its result. */
    static final class Ending extends Thread {
        private StarlakeWarmCommand by;
        @Override public void start() { by = STARTED_BY.get(); super.start(); }
        @Override public void run() {
            ending = true;
            StarlakeWarmCommand command = current;
            if (command == by && command != null) command.exits();
            else if (command != null) command.print(Frames.STDERR, FOREIGN);
        }
    }

    /** System.out or System.err: passes on what the threads of the command under way print. */
    static final class Switch extends OutputStream {
        final int kind;
        Switch(int kind) { this.kind = kind; }
        public void write(int one) throws IOException { write(new byte[] {(byte) one}, 0, 1); }
        public void write(byte[] data, int from, int length) throws IOException {
            StarlakeWarmCommand command = current, by = STARTED_BY.get();
            boolean another = by != null && by != command && !StarlakeInside.servesAll();
            boolean sent = command != null && !another && command.print(kind, data, from, length);
            if (!sent) StarlakeWarmServer.LOG.write(data, from, length);
        }
    }
}
