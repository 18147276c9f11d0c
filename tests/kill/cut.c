/* Preloaded into a crossfade by check.py: kills the process when it is about to make its CUT_AT-th change
 * below the folder CUT_IN, whichever thread makes it. A change is whatever a crash could leave half done:
 * a file that is created, written, synced, cut, renamed or removed, and a folder that is synced. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static atomic_long changes;

static void change_at(const char *path) {
    const char *folder = getenv("CUT_IN"), *at = getenv("CUT_AT");
    if (!folder || !at || strncmp(path, folder, strlen(folder)) != 0) return;
    if (atomic_fetch_add(&changes, 1) + 1 != atol(at)) return;
    kill(getpid(), SIGKILL);
    for (;;) pause();
}

static void change_of(int fd) {
    char link[64], path[4096];
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t length = readlink(link, path, sizeof path - 1);
    if (length > 0) {
        path[length] = 0;
        change_at(path);
    }
}

#define REAL(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))

ssize_t write(int fd, const void *bytes, size_t length) { change_of(fd); return REAL(write)(fd, bytes, length); }
int fsync(int fd) { change_of(fd); return REAL(fsync)(fd); }
int fdatasync(int fd) { change_of(fd); return REAL(fdatasync)(fd); }
int ftruncate64(int fd, off64_t length) { change_of(fd); return REAL(ftruncate64)(fd, length); }
int unlink(const char *path) { change_at(path); return REAL(unlink)(path); }
int rename(const char *from, const char *to) { change_at(to); return REAL(rename)(from, to); }

int open64(const char *path, int flags, ...) {
    va_list more;
    va_start(more, flags);
    mode_t mode = flags & O_CREAT ? va_arg(more, mode_t) : 0;
    va_end(more);
    if (flags & O_CREAT) change_at(path);
    return REAL(open64)(path, flags, mode);
}
