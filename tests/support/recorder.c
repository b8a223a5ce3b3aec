/* Records what a program asks of the disk: preloaded (LD_PRELOAD), it logs every change of a file or of a name
 * below RECORDER_ROOT to the file RECORDER_LOG, in the order in which the changes were made.
 *
 * No table of descriptors is kept: the kernel is asked (/proc/self/fd) which file a descriptor is, so that dup,
 * fork, exec and descriptors that were inherited need no care. One lock covers a change and its record, so that what
 * the log says of the order holds between threads; the log itself is written with raw system calls, at once and at
 * its end, so that several processes may share it.
 *
 * A write to a file named ACK that begins with "arm N ERRNO TIMES" makes the changes from the Nth on fail, TIMES
 * times: a disk that is full or dies at a chosen moment. With 0 for ERRNO the program is killed there instead.
 *
 * A record: struct record, the path, then the data (of a rename or link: the other path). See recorder.py.
 */

#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <unistd.h>

struct record {
    uint32_t magic;
    uint8_t op;
    uint8_t is_folder;
    uint16_t path_length;
    uint64_t data_length;
    uint64_t offset;
    uint64_t inode;
    uint32_t process;
    uint32_t unused;
};

enum {
    CREATE = 'C', WRITE = 'W', TRUNCATE = 'T', SYNC = 'S', RENAME = 'R', LINK = 'L', UNLINK = 'U', MKDIR = 'M',
    RMDIR = 'D', SYMLINK = 'Y', MAP = 'P', STDIO = 'F', EXCHANGE = 'X'
};

#define MAGIC 0x51504c47u
#define MOST_READ_BACK (256u << 20)

static pthread_mutex_t guard = PTHREAD_MUTEX_INITIALIZER;
static char root[PATH_MAX], log_path[PATH_MAX];
static size_t root_length;
static int active;
static pid_t self;
static long countdown = -1, failures, failure;

static void before_fork(void) { pthread_mutex_lock(&guard); }
static void after_fork(void) { pthread_mutex_unlock(&guard); }
static void in_child(void) {
    self = (pid_t)syscall(SYS_getpid);
    pthread_mutex_init(&guard, NULL);
}

__attribute__((constructor)) static void begin(void) {
    const char *asked_root = getenv("RECORDER_ROOT"), *asked_log = getenv("RECORDER_LOG");
    self = (pid_t)syscall(SYS_getpid);
    if (!asked_root || !asked_log || strlen(asked_root) >= PATH_MAX || strlen(asked_log) >= PATH_MAX) return;
    strcpy(root, asked_root);
    strcpy(log_path, asked_log);
    root_length = strlen(root);
    while (root_length && root[root_length - 1] == '/') root[--root_length] = 0;
    pthread_atfork(before_fork, after_fork, in_child);
    active = 1;
}

/* Between vfork and exec the child shares our memory: it must not touch the lock. */
static int on(void) { return active && (pid_t)syscall(SYS_getpid) == self; }

static int below_root(const char *path) {
    if (!strcmp(path, log_path)) return 0;
    if (root_length) return !strncmp(path, root, root_length) && (path[root_length] == '/' || path[root_length] == 0);
    if (!strncmp(path, "/dev/", 5)) return !strncmp(path, "/dev/shm/", 9);
    return strncmp(path, "/proc/", 6) && strncmp(path, "/sys/", 5);
}

/* The path of a descriptor, if it is a file or folder that is watched. */
static int watched(int fd, char *path, struct stat *st) {
    char link[64];
    int kept = errno, found = 0;
    if (on() && fstat(fd, st) == 0 && (S_ISREG(st->st_mode) || S_ISDIR(st->st_mode))) {
        snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
        ssize_t n = readlink(link, path, PATH_MAX - 1);
        if (n > 0) {
            path[n] = 0;
            found = path[0] == '/' && below_root(path);
        }
    }
    errno = kept;
    return found;
}

/* The absolute path of a name, the links of its folder resolved but not its own. */
static int named(int folder, const char *name, char *path) {
    char joined[PATH_MAX * 2], link[64], at[PATH_MAX];
    int kept = errno, found = 0;
    if (!on() || !name || !*name || strlen(name) >= PATH_MAX) return 0;
    if (name[0] == '/')
        strcpy(joined, name);
    else {
        if (folder == AT_FDCWD)
            strcpy(link, "/proc/self/cwd");
        else
            snprintf(link, sizeof link, "/proc/self/fd/%d", folder);
        ssize_t n = readlink(link, at, PATH_MAX - 1);
        if (n <= 0) goto done;
        at[n] = 0;
        snprintf(joined, sizeof joined, "%s/%s", at, name);
    }
    size_t length = strlen(joined);
    while (length > 1 && joined[length - 1] == '/') joined[--length] = 0;
    char *slash = strrchr(joined, '/'), *last = slash + 1;
    char resolved[PATH_MAX];
    if (slash == joined)
        strcpy(resolved, "");
    else {
        *slash = 0;
        if (!realpath(joined, resolved)) goto done;
    }
    if (strlen(resolved) + strlen(last) + 2 > PATH_MAX) goto done;
    sprintf(path, "%s/%s", resolved, last);
    found = below_root(path);
done:
    errno = kept;
    return found;
}

static void put_parts(int op, int is_folder, const char *path, uint64_t offset, uint64_t inode,
                      const struct iovec *parts, int count, size_t length) {
    int kept = errno;
    struct record r = {MAGIC, (uint8_t)op, (uint8_t)is_folder, (uint16_t)strlen(path), 0, offset, inode,
                       (uint32_t)self, 0};
    struct iovec out[2 + 64];
    size_t left = length;
    int n = 2;
    for (int i = 0; i < count && left && n < 66; i++) {
        out[n] = parts[i];
        if (out[n].iov_len > left) out[n].iov_len = left;
        left -= out[n].iov_len;
        r.data_length += out[n].iov_len;
        n++;
    }
    out[0] = (struct iovec){&r, sizeof r};
    out[1] = (struct iovec){(void *)path, r.path_length};
    long fd = syscall(SYS_openat, AT_FDCWD, log_path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    if (fd < 0 || syscall(SYS_writev, fd, out, n) != (long)(sizeof r + r.path_length + r.data_length))
        abort(); /* a log with a hole in it would prove nothing */
    syscall(SYS_close, fd);
    errno = kept;
}

static void put(int op, int is_folder, const char *path, uint64_t offset, uint64_t inode, const void *data,
                size_t length) {
    struct iovec part = {(void *)data, length};
    put_parts(op, is_folder, path, offset, inode, &part, 1, length);
}

/* Whether the change that comes now has to fail; errno is set then. */
static int refused(const char *path) {
    size_t n = strlen(path);
    if (countdown < 0 || (n >= 4 && !strcmp(path + n - 4, "/ACK"))) return 0;
    if (countdown > 0) {
        countdown--;
        return 0;
    }
    if (failures <= 0) return 0;
    if (failure == 0) syscall(SYS_kill, syscall(SYS_getpid), SIGKILL);
    failures--;
    errno = (int)failure;
    return 1;
}

static void look_for_orders(const char *path, const void *data, size_t length) {
    size_t n = strlen(path);
    char said[64];
    if (n < 4 || strcmp(path + n - 4, "/ACK") || length < 4 || length >= sizeof said || memcmp(data, "arm ", 4)) return;
    memcpy(said, data, length);
    said[length] = 0;
    sscanf(said, "arm %ld %ld %ld", &countdown, &failure, &failures);
}

static void put_back(int op, int fd, const char *path, off_t from, size_t length, uint64_t inode) {
    char link[64];
    if (length > MOST_READ_BACK) length = MOST_READ_BACK;
    char *buffer = malloc(length ? length : 1);
    if (!buffer) abort();
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    long again = syscall(SYS_openat, AT_FDCWD, link, O_RDONLY | O_CLOEXEC, 0);
    long got = again < 0 ? -1 : syscall(SYS_pread64, again, buffer, length, from);
    if (again >= 0) syscall(SYS_close, again);
    if (got >= 0) put(op, 0, path, (uint64_t)from, inode, buffer, (size_t)got);
    free(buffer);
}

#define REAL(name) \
    static __typeof__(&name) real; \
    if (!real) real = (__typeof__(&name))dlsym(RTLD_NEXT, #name)
#define ENTER pthread_mutex_lock(&guard)
#define LEAVE pthread_mutex_unlock(&guard)

/* opening ------------------------------------------------------------------------------------------------ */

static int open_any(int folder, const char *name, int flags, mode_t mode) {
    char path[PATH_MAX];
    struct stat before, st;
    int changes = (flags & (O_CREAT | O_TRUNC)) || (flags & O_TMPFILE) == O_TMPFILE;
    if (!changes || !named(folder, name, path)) return (int)syscall(SYS_openat, folder, name, flags, mode);
    ENTER;
    int kept = errno;
    int had = fstatat(folder, name, &before, 0) == 0;
    errno = kept;
    int fresh = !had || (flags & O_TMPFILE) == O_TMPFILE;
    if ((fresh || (flags & O_TRUNC)) && refused(path)) {
        LEAVE;
        return -1;
    }
    int fd = (int)syscall(SYS_openat, folder, name, flags, mode);
    if (fd >= 0 && watched(fd, path, &st) && S_ISREG(st.st_mode)) {
        if (fresh)
            put(CREATE, 0, path, 0, st.st_ino, NULL, 0);
        else if ((flags & O_TRUNC) && before.st_size)
            put(TRUNCATE, 0, path, 0, st.st_ino, NULL, 0);
    }
    LEAVE;
    return fd;
}

#define MODE_OF(flags, mode) \
    if ((flags) & (O_CREAT | O_TMPFILE)) { \
        va_list list; \
        va_start(list, flags); \
        mode = va_arg(list, mode_t); \
        va_end(list); \
    }

int open(const char *name, int flags, ...) {
    mode_t mode = 0;
    MODE_OF(flags, mode)
    return open_any(AT_FDCWD, name, flags, mode);
}
int open64(const char *name, int flags, ...) {
    mode_t mode = 0;
    MODE_OF(flags, mode)
    return open_any(AT_FDCWD, name, flags, mode);
}
int openat(int folder, const char *name, int flags, ...) {
    mode_t mode = 0;
    MODE_OF(flags, mode)
    return open_any(folder, name, flags, mode);
}
int openat64(int folder, const char *name, int flags, ...) {
    mode_t mode = 0;
    MODE_OF(flags, mode)
    return open_any(folder, name, flags, mode);
}
int __open_2(const char *name, int flags) { return open_any(AT_FDCWD, name, flags, 0); }
int __open64_2(const char *name, int flags) { return open_any(AT_FDCWD, name, flags, 0); }
int __openat_2(int folder, const char *name, int flags) { return open_any(folder, name, flags, 0); }
int __openat64_2(int folder, const char *name, int flags) { return open_any(folder, name, flags, 0); }
int creat(const char *name, mode_t mode) { return open_any(AT_FDCWD, name, O_CREAT | O_WRONLY | O_TRUNC, mode); }
int creat64(const char *name, mode_t mode) { return open_any(AT_FDCWD, name, O_CREAT | O_WRONLY | O_TRUNC, mode); }

static int temporary(int (*real)(char *), char *pattern) {
    int fd = real(pattern);
    char path[PATH_MAX];
    struct stat st;
    if (fd >= 0 && watched(fd, path, &st)) {
        ENTER;
        put(CREATE, 0, path, 0, st.st_ino, NULL, 0);
        LEAVE;
    }
    return fd;
}
int mkstemp(char *pattern) {
    REAL(mkstemp);
    return temporary(real, pattern);
}
int mkstemp64(char *pattern) {
    REAL(mkstemp64);
    return temporary(real, pattern);
}

/* The C library's own streams write past these wrappers: what they wrote is read back when they are closed. */
static FILE *stream(FILE *(*real)(const char *, const char *), const char *name, const char *mode) {
    char path[PATH_MAX];
    struct stat before, st;
    if (!strpbrk(mode, "wa+") || !named(AT_FDCWD, name, path)) return real(name, mode);
    ENTER;
    int had = stat(name, &before) == 0;
    FILE *file = real(name, mode);
    if (file && watched(fileno(file), path, &st)) {
        if (!had)
            put(CREATE, 0, path, 0, st.st_ino, NULL, 0);
        else if (mode[0] == 'w' && before.st_size)
            put(TRUNCATE, 0, path, 0, st.st_ino, NULL, 0);
    }
    LEAVE;
    return file;
}
FILE *fopen(const char *name, const char *mode) {
    REAL(fopen);
    return stream(real, name, mode);
}
FILE *fopen64(const char *name, const char *mode) {
    REAL(fopen64);
    return stream(real, name, mode);
}
int fclose(FILE *file) {
    REAL(fclose);
    char path[PATH_MAX];
    struct stat st;
    int fd = fileno(file);
    if (fd >= 0 && (fcntl(fd, F_GETFL) & O_ACCMODE) != O_RDONLY && watched(fd, path, &st)) {
        fflush(file);
        ENTER;
        if (fstat(fd, &st) == 0) put_back(STDIO, fd, path, 0, (size_t)st.st_size, st.st_ino);
        LEAVE;
    }
    return real(file);
}

/* writing ------------------------------------------------------------------------------------------------ */

ssize_t write(int fd, const void *data, size_t length) {
    char path[PATH_MAX];
    struct stat st;
    if (!watched(fd, path, &st)) return syscall(SYS_write, fd, data, length);
    ENTER;
    ssize_t n = refused(path) ? -1 : syscall(SYS_write, fd, data, length);
    if (n > 0) {
        put(WRITE, 0, path, (uint64_t)(lseek(fd, 0, SEEK_CUR) - n), st.st_ino, data, (size_t)n);
        look_for_orders(path, data, (size_t)n);
    }
    LEAVE;
    return n;
}
ssize_t writev(int fd, const struct iovec *parts, int count) {
    char path[PATH_MAX];
    struct stat st;
    if (!watched(fd, path, &st)) return syscall(SYS_writev, fd, parts, count);
    ENTER;
    ssize_t n = refused(path) ? -1 : syscall(SYS_writev, fd, parts, count > 64 ? 64 : count);
    if (n > 0) put_parts(WRITE, 0, path, (uint64_t)(lseek(fd, 0, SEEK_CUR) - n), st.st_ino, parts, count, (size_t)n);
    LEAVE;
    return n;
}
static ssize_t write_at(int fd, const void *data, size_t length, off_t offset) {
    char path[PATH_MAX];
    struct stat st;
    if (!watched(fd, path, &st)) return syscall(SYS_pwrite64, fd, data, length, offset);
    ENTER;
    ssize_t n = refused(path) ? -1 : syscall(SYS_pwrite64, fd, data, length, offset);
    if (n > 0) put(WRITE, 0, path, (uint64_t)offset, st.st_ino, data, (size_t)n);
    LEAVE;
    return n;
}
ssize_t pwrite(int fd, const void *data, size_t length, off_t offset) { return write_at(fd, data, length, offset); }
ssize_t pwrite64(int fd, const void *data, size_t length, off64_t offset) {
    return write_at(fd, data, length, offset);
}
static ssize_t write_parts_at(int fd, const struct iovec *parts, int count, off_t offset) {
    char path[PATH_MAX];
    struct stat st;
    if (!watched(fd, path, &st)) return syscall(SYS_pwritev, fd, parts, count, offset, 0);
    ENTER;
    ssize_t n = refused(path) ? -1 : syscall(SYS_pwritev, fd, parts, count > 64 ? 64 : count, offset, 0);
    if (n > 0) put_parts(WRITE, 0, path, (uint64_t)offset, st.st_ino, parts, count, (size_t)n);
    LEAVE;
    return n;
}
ssize_t pwritev(int fd, const struct iovec *parts, int count, off_t offset) {
    return write_parts_at(fd, parts, count, offset);
}
ssize_t pwritev64(int fd, const struct iovec *parts, int count, off64_t offset) {
    return write_parts_at(fd, parts, count, offset);
}

static ssize_t send(int out, int in, off_t *offset, size_t length) {
    char path[PATH_MAX];
    struct stat st;
    if (!watched(out, path, &st)) return syscall(SYS_sendfile, out, in, offset, length);
    ENTER;
    ssize_t n = refused(path) ? -1 : syscall(SYS_sendfile, out, in, offset, length);
    if (n > 0) put_back(WRITE, out, path, lseek(out, 0, SEEK_CUR) - n, (size_t)n, st.st_ino);
    LEAVE;
    return n;
}
ssize_t sendfile(int out, int in, off_t *offset, size_t length) { return send(out, in, offset, length); }
ssize_t sendfile64(int out, int in, off64_t *offset, size_t length) { return send(out, in, offset, length); }
ssize_t copy_file_range(int in, off64_t *from, int out, off64_t *to, size_t length, unsigned flags) {
    char path[PATH_MAX];
    struct stat st;
    if (!watched(out, path, &st)) return syscall(SYS_copy_file_range, in, from, out, to, length, flags);
    ENTER;
    ssize_t n = refused(path) ? -1 : syscall(SYS_copy_file_range, in, from, out, to, length, flags);
    if (n > 0) put_back(WRITE, out, path, (to ? *to : lseek(out, 0, SEEK_CUR)) - n, (size_t)n, st.st_ino);
    LEAVE;
    return n;
}
void *mmap(void *at, size_t length, int protection, int flags, int fd, off_t offset) {
    char path[PATH_MAX];
    struct stat st;
    if (fd >= 0 && (flags & MAP_TYPE) != MAP_PRIVATE && (protection & PROT_WRITE) && watched(fd, path, &st)) {
        ENTER;
        put(MAP, 0, path, (uint64_t)offset, st.st_ino, NULL, 0);
        LEAVE;
    }
    return (void *)syscall(SYS_mmap, at, length, protection, flags, fd, offset);
}
void *mmap64(void *at, size_t length, int protection, int flags, int fd, off64_t offset) {
    return mmap(at, length, protection, flags, fd, offset);
}

static int cut(int fd, off_t size) {
    char path[PATH_MAX];
    struct stat st;
    if (!watched(fd, path, &st)) return (int)syscall(SYS_ftruncate, fd, size);
    ENTER;
    int rc = refused(path) ? -1 : (int)syscall(SYS_ftruncate, fd, size);
    if (rc == 0) put(TRUNCATE, 0, path, (uint64_t)size, st.st_ino, NULL, 0);
    LEAVE;
    return rc;
}
int ftruncate(int fd, off_t size) { return cut(fd, size); }
int ftruncate64(int fd, off64_t size) { return cut(fd, size); }
static int cut_named(const char *name, off_t size) {
    int fd = (int)syscall(SYS_openat, AT_FDCWD, name, O_WRONLY | O_CLOEXEC, 0);
    if (fd < 0) return -1;
    int rc = cut(fd, size), kept = errno;
    syscall(SYS_close, fd);
    errno = kept;
    return rc;
}
int truncate(const char *name, off_t size) { return cut_named(name, size); }
int truncate64(const char *name, off64_t size) { return cut_named(name, size); }

/* A size that is asked for ahead counts as a truncation to it: the new bytes are zeros. */
static int reserve(int fd, int mode, off_t offset, off_t length) {
    char path[PATH_MAX];
    struct stat st, after;
    if (!watched(fd, path, &st)) return (int)syscall(SYS_fallocate, fd, mode, offset, length);
    ENTER;
    int rc = refused(path) ? -1 : (int)syscall(SYS_fallocate, fd, mode, offset, length);
    if (rc == 0 && fstat(fd, &after) == 0 && after.st_size != st.st_size)
        put(TRUNCATE, 0, path, (uint64_t)after.st_size, st.st_ino, NULL, 0);
    LEAVE;
    return rc;
}
int fallocate(int fd, int mode, off_t offset, off_t length) { return reserve(fd, mode, offset, length); }
int fallocate64(int fd, int mode, off64_t offset, off64_t length) { return reserve(fd, mode, offset, length); }
int posix_fallocate(int fd, off_t offset, off_t length) { return reserve(fd, 0, offset, length) ? errno : 0; }
int posix_fallocate64(int fd, off64_t offset, off64_t length) { return reserve(fd, 0, offset, length) ? errno : 0; }

static int sync_any(long number, int fd) {
    char path[PATH_MAX];
    struct stat st;
    if (!watched(fd, path, &st)) return (int)syscall(number, fd);
    ENTER;
    int rc = refused(path) ? -1 : (int)syscall(number, fd);
    if (rc == 0) put(SYNC, S_ISDIR(st.st_mode), path, 0, st.st_ino, NULL, 0);
    LEAVE;
    return rc;
}
int fsync(int fd) { return sync_any(SYS_fsync, fd); }
int fdatasync(int fd) { return sync_any(SYS_fdatasync, fd); }

/* names -------------------------------------------------------------------------------------------------- */

static int two_names(int op, int a, const char *old, int b, const char *new, unsigned flags) {
    char from[PATH_MAX], to[PATH_MAX];
    int from_ours = named(a, old, from), to_ours = named(b, new, to);
    long number = op == LINK ? SYS_linkat : SYS_renameat2;
    if (!from_ours && !to_ours) return (int)syscall(number, a, old, b, new, flags);
    if (!from_ours) from[0] = 0;
    if (!to_ours) to[0] = 0;
    ENTER;
    int rc = refused(from) ? -1 : (int)syscall(number, a, old, b, new, flags);
    struct stat st = {0};
    if (rc == 0) {
        fstatat(b, new, &st, AT_SYMLINK_NOFOLLOW);
        if (op == RENAME && (flags & RENAME_EXCHANGE)) op = EXCHANGE;
        put(op, S_ISDIR(st.st_mode), from, 0, st.st_ino, to, strlen(to));
    }
    LEAVE;
    return rc;
}
int rename(const char *old, const char *new) { return two_names(RENAME, AT_FDCWD, old, AT_FDCWD, new, 0); }
int renameat(int a, const char *old, int b, const char *new) { return two_names(RENAME, a, old, b, new, 0); }
int renameat2(int a, const char *old, int b, const char *new, unsigned flags) {
    return two_names(RENAME, a, old, b, new, flags);
}
int link(const char *old, const char *new) { return two_names(LINK, AT_FDCWD, old, AT_FDCWD, new, 0); }
int linkat(int a, const char *old, int b, const char *new, int flags) {
    return two_names(LINK, a, old, b, new, (unsigned)flags);
}

static int remove_any(int folder, const char *name, int flags) {
    char path[PATH_MAX];
    if (!named(folder, name, path)) return (int)syscall(SYS_unlinkat, folder, name, flags);
    ENTER;
    int rc = refused(path) ? -1 : (int)syscall(SYS_unlinkat, folder, name, flags);
    if (rc == 0) put(flags & AT_REMOVEDIR ? RMDIR : UNLINK, !!(flags & AT_REMOVEDIR), path, 0, 0, NULL, 0);
    LEAVE;
    return rc;
}
int unlink(const char *name) { return remove_any(AT_FDCWD, name, 0); }
int unlinkat(int folder, const char *name, int flags) { return remove_any(folder, name, flags); }
int rmdir(const char *name) { return remove_any(AT_FDCWD, name, AT_REMOVEDIR); }

static int make_folder(int folder, const char *name, mode_t mode) {
    char path[PATH_MAX];
    if (!named(folder, name, path)) return (int)syscall(SYS_mkdirat, folder, name, mode);
    ENTER;
    int rc = refused(path) ? -1 : (int)syscall(SYS_mkdirat, folder, name, mode);
    struct stat st = {0};
    if (rc == 0) {
        stat(path, &st);
        put(MKDIR, 1, path, 0, st.st_ino, NULL, 0);
    }
    LEAVE;
    return rc;
}
int mkdir(const char *name, mode_t mode) { return make_folder(AT_FDCWD, name, mode); }
int mkdirat(int folder, const char *name, mode_t mode) { return make_folder(folder, name, mode); }

static int make_link(const char *target, int folder, const char *name) {
    char path[PATH_MAX];
    if (!named(folder, name, path)) return (int)syscall(SYS_symlinkat, target, folder, name);
    ENTER;
    int rc = refused(path) ? -1 : (int)syscall(SYS_symlinkat, target, folder, name);
    if (rc == 0) put(SYMLINK, 0, path, 0, 0, target, strlen(target));
    LEAVE;
    return rc;
}
int symlink(const char *target, const char *name) { return make_link(target, AT_FDCWD, name); }
int symlinkat(const char *target, int folder, const char *name) { return make_link(target, folder, name); }
