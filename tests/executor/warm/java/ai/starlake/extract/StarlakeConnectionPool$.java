package ai.starlake.extract;

import java.io.IOException;
import java.nio.channels.FileChannel;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.HashMap;
import java.util.Map;

/** Keeps files locked, as DuckDB's connections do, until it is cleared: a Scala object, seen from Java. */
public final class StarlakeConnectionPool$ {
    public static final StarlakeConnectionPool$ MODULE$ = new StarlakeConnectionPool$();

    private final Map<Path, FileChannel> duckDbPool = new HashMap<>();

    private StarlakeConnectionPool$() {}

    public synchronized void open(Path file) throws IOException {
        FileChannel channel = FileChannel.open(file, StandardOpenOption.CREATE, StandardOpenOption.WRITE);
        channel.lock();
        duckDbPool.put(file, channel);
    }

    public synchronized void clearDuckdbPool() {
        for (FileChannel channel : duckDbPool.values()) {
            try {
                channel.close();
            } catch (IOException closed) {
                System.err.println(closed);
            }
        }
        duckDbPool.clear();
    }
}
