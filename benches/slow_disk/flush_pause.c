/* Makes every flush take longer, as on a disk that really writes: preloaded into PostgreSQL by `run`. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdlib.h>
#include <time.h>

static void pause_first(void) {
    const char *text = getenv("FLUSH_PAUSE_US");
    long us = text ? atol(text) : 0;
    struct timespec wait = {us / 1000000, (us % 1000000) * 1000};
    nanosleep(&wait, NULL);
}

int fdatasync(int fd) {
    int (*flush)(int) = (int (*)(int))dlsym(RTLD_NEXT, "fdatasync");
    pause_first();
    return flush(fd);
}

int fsync(int fd) {
    int (*flush)(int) = (int (*)(int))dlsym(RTLD_NEXT, "fsync");
    pause_first();
    return flush(fd);
}
