import java.io.*;
import java.net.Socket;
import java.nio.ByteBuffer;
import java.util.*;

/** The wire protocol, as the docstring of warm_frames.py describes it. */
final class Frames {
    static final int PROTOCOL = 1, START = 1, OPEN = 2, HELLO = 3, REQUEST = 4, READY = 5, REFUSED = 6, GO = 7;
    static final int STDOUT = 8, STDERR = 9, HEARTBEAT = 10, END = 11, EXITING = 12;

    static byte[] read(DataInputStream in, int kind, int limit) throws IOException {
        int found = in.readUnsignedByte(), length = in.readInt();
        if (found != kind || length < 0 || length > limit) throw new IOException("no frame of kind " + kind);
        return in.readNBytes(length);
    }

    static List<byte[]> parts(byte[] payload) throws IOException {
        List<byte[]> parts = new ArrayList<>();
        DataInputStream in = new DataInputStream(new ByteArrayInputStream(payload));
        while (in.available() > 0) parts.add(in.readNBytes(in.readInt()));
        return parts;
    }

    static byte[] list(List<byte[]> parts) {
        ByteArrayOutputStream bytes = new ByteArrayOutputStream();
        for (byte[] part : parts) bytes.write(frame(0, part), 1, part.length + 4);
        return bytes.toByteArray();
    }

    static byte[] frame(int kind, byte[] payload) {
        return ByteBuffer.allocate(5 + payload.length).put((byte) kind).putInt(payload.length).put(payload).array();
    }

    static void send(Socket socket, int kind, List<byte[]> parts) throws IOException {
        socket.getOutputStream().write(frame(kind, list(parts)));
    }
}
