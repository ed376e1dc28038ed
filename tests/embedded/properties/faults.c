/* Faults in the system calls of a process that is started with LD_PRELOAD=faults.so.

   FAULT_COUNTS  a file of 4 x 8 bytes, zero at first: how often each kind of call was made, in the order of `kinds`
   FAULT_KILL    "kind:n": the process kills itself before the n-th call of a kind
   FAULT_SPACE   how many bytes the process may write to files before the disk is full
   FAULT_LOCKS   the errno with which every lock is refused */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

static const char *const kinds[] = {"write", "sync", "rename", "unlink"};
enum kind { WRITE, SYNC, RENAME, UNLINK, KINDS };

static long own[KINDS], *counts, deadly, space;
static int deadly_kind, refusal;

/* Begins anew; a process that was forked calls it when it has an environment of its own. */
__attribute__((constructor)) void read_faults(void) {
    memset(own, 0, sizeof own);
    counts = own;
    deadly = space = deadly_kind = -1;
    refusal = 0;
    const char *file = getenv("FAULT_COUNTS"), *kill_at = getenv("FAULT_KILL");
    const char *bytes = getenv("FAULT_SPACE"), *locks = getenv("FAULT_LOCKS");
    if (file) {
        int descriptor = open(file, O_RDWR);
        void *shared = mmap(NULL, sizeof own, PROT_READ | PROT_WRITE, MAP_SHARED, descriptor, 0);
        if (shared != MAP_FAILED) counts = shared;
        close(descriptor);
    }
    for (int kind = 0; kill_at && kind < KINDS; kind++) {
        size_t length = strlen(kinds[kind]);
        if (strncmp(kill_at, kinds[kind], length) == 0 && kill_at[length] == ':') {
            deadly_kind = kind;
            deadly = atol(kill_at + length + 1);
        }
    }
    if (bytes) space = atol(bytes);
    if (locks) refusal = atoi(locks);
}

static void pass(enum kind kind) {
    long number = __atomic_add_fetch(&counts[kind], 1, __ATOMIC_SEQ_CST);
    if ((int)kind == deadly_kind && number == deadly) kill(getpid(), SIGKILL);
}

/* How many of some bytes still fit on the disk; what is no file has no disk. */
static long room(int descriptor, size_t wanted) {
    struct stat status;
    if (space < 0 || fstat(descriptor, &status) != 0 || !S_ISREG(status.st_mode)) return (long)wanted;
    long left = __atomic_fetch_sub(&space, (long)wanted, __ATOMIC_SEQ_CST);
    if (left >= (long)wanted) return (long)wanted;
    __atomic_store_n(&space, 0, __ATOMIC_SEQ_CST);
    return left > 0 ? left : 0;
}

static int is_file(int descriptor) {
    struct stat status;
    return fstat(descriptor, &status) == 0 && S_ISREG(status.st_mode);
}

#define REAL(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))

#define WRITES(name, parameters, arguments)                                                                            \
    ssize_t name parameters {                                                                                          \
        if (is_file(fd)) pass(WRITE);                                                                                  \
        long fits = room(fd, size);                                                                                    \
        if (size > 0 && fits == 0) { errno = ENOSPC; return -1; }                                                      \
        size = (size_t)fits;                                                                                           \
        return REAL(name) arguments;                                                                                   \
    }
WRITES(write, (int fd, const void *bytes, size_t size), (fd, bytes, size))
WRITES(pwrite, (int fd, const void *bytes, size_t size, off_t at), (fd, bytes, size, at))
WRITES(pwrite64, (int fd, const void *bytes, size_t size, off64_t at), (fd, bytes, size, at))

#define PASSES(kind, name, parameters, arguments)                                                                      \
    int name parameters {                                                                                              \
        pass(kind);                                                                                                    \
        return REAL(name) arguments;                                                                                   \
    }
PASSES(SYNC, fsync, (int fd), (fd))
PASSES(SYNC, fdatasync, (int fd), (fd))
PASSES(RENAME, rename, (const char *from, const char *to), (from, to))
PASSES(RENAME, renameat, (int at, const char *from, int other, const char *to), (at, from, other, to))
PASSES(UNLINK, unlink, (const char *path), (path))
PASSES(UNLINK, unlinkat, (int at, const char *path, int flags), (at, path, flags))

int flock(int fd, int operation) {
    if (refusal && !(operation & LOCK_UN)) { errno = refusal; return -1; }
    return REAL(flock)(fd, operation);
}

#define CONTROLS(name)                                                                                                 \
    int name(int fd, int command, ...) {                                                                               \
        va_list rest;                                                                                                  \
        va_start(rest, command);                                                                                       \
        void *argument = va_arg(rest, void *);                                                                         \
        va_end(rest);                                                                                                  \
        int locks = command == F_SETLK || command == F_SETLKW || command == F_GETLK || command == F_OFD_SETLK ||       \
                    command == F_OFD_SETLKW || command == F_OFD_GETLK;                                                 \
        if (refusal && locks) { errno = refusal; return -1; }                                                          \
        return REAL(name)(fd, command, argument);                                                                      \
    }
CONTROLS(fcntl)
CONTROLS(fcntl64)
