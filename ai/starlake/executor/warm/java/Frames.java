import java.io.*;
import java.nio.ByteBuffer;
import java.util.*;

/** The wire protocol, as the docstring of warm_frames.py describes it. */
final class Frames {
    static final int PROTOCOL = 1, START = 1, OPEN = 2, HELLO = 3, REQUEST = 4, READY = 5, REFUSED = 6, GO = 7;
    static final int STDOUT = 8, STDERR = 9, HEARTBEAT = 10, END = 11, EXITING = 12;

    static byte[] read(DataInputStream in, int kind, int limit) throws IOException {
        int found = in.readUnsignedByte(), length = in.readInt();
        if (found != kind || length < 0 || length > limit) throw new IOException("no frame of kind " + kind);
        byte[] payload = new byte[length];
        in.readFully(payload);
        return payload;
    }

    /** Return the parts of a payload, and overwrite it: it may hold secrets. */
    static List<byte[]> parts(byte[] payload) throws IOException {
        List<byte[]> parts = new ArrayList<>();
        DataInputStream in = new DataInputStream(new ByteArrayInputStream(payload));
        while (in.available() > 0) parts.add(in.readNBytes(in.readInt()));
        Arrays.fill(payload, (byte) 0);
        return parts;
    }

    static byte[] list(List<byte[]> parts) {
        ByteArrayOutputStream bytes = new ByteArrayOutputStream();
        for (byte[] part : parts) bytes.write(frame(0, part, 0, part.length), 1, part.length + 4);
        return bytes.toByteArray();
    }

    static byte[] frame(int kind, byte[] data, int from, int length) {
        return ByteBuffer.allocate(5 + length).put((byte) kind).putInt(length).put(data, from, length).array();
    }

    static void send(OutputStream out, int kind, List<byte[]> parts) throws IOException {
        byte[] payload = list(parts);
        out.write(frame(kind, payload, 0, payload.length)); // at once: what was printed before a crash arrives
    }
}
