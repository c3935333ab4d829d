/* no_fsync.h - fsync in place of libc's, for SQLite too, for a program in which no power fails: a disk may take 10 ms for each.
 */
#ifndef NO_FSYNC_H
#define NO_FSYNC_H

int fsync(int fd);
int fdatasync(int fd);
int fsync(int fd) {
    return fd < 0 ? -1 : 0;
}
int fdatasync(int fd) {
    return fd < 0 ? -1 : 0;
}

#endif
