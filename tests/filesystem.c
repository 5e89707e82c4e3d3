/* A file system that lacks something, for the commands under LD_PRELOAD; built with one or more of
 * -DNO_LOCKS (Lustre, some NFS), -DNO_SHARED_MAPS (FUSE, 9p; of .h5 files alone, MPI keeps its own),
 * -DNO_FOLDER_SYNC (CIFS, shared folders of virtual machines). */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

static int refused(int error) {
  errno = error;
  return -1;
}

#ifdef NO_LOCKS
int flock(int file, int what) {
  (void)file, (void)what;
  return refused(ENOLCK);
}

static int control(int file, int command, long argument) {
  int locks = command == F_SETLK || command == F_SETLKW || command == F_GETLK || command == F_OFD_SETLK ||
              command == F_OFD_SETLKW || command == F_OFD_GETLK;
  return locks ? refused(ENOLCK) : (int)syscall(SYS_fcntl, file, command, argument);
}

int fcntl(int file, int command, ...) {
  va_list more;
  va_start(more, command);
  long argument = va_arg(more, long);
  va_end(more);
  return control(file, command, argument);
}

int fcntl64(int file, int command, ...) {
  va_list more;
  va_start(more, command);
  long argument = va_arg(more, long);
  va_end(more);
  return control(file, command, argument);
}
#endif

#ifdef NO_SHARED_MAPS
void *mmap(void *place, size_t length, int protection, int flags, int file, off_t offset) {
  char link[64], path[4096];
  snprintf(link, sizeof link, "/proc/self/fd/%d", file);
  ssize_t end = file >= 0 && (flags & MAP_SHARED) ? readlink(link, path, sizeof path) : 0;
  if (end > 3 && !memcmp(path + end - 3, ".h5", 3)) {
    errno = ENODEV;
    return MAP_FAILED;
  }
  return (void *)syscall(SYS_mmap, place, length, protection, flags, file, offset);
}

void *mmap64(void *place, size_t length, int protection, int flags, int file, off_t offset) {
  return mmap(place, length, protection, flags, file, offset);
}
#endif

#ifdef NO_FOLDER_SYNC
int fsync(int file) {
  struct stat status;
  if (!fstat(file, &status) && S_ISDIR(status.st_mode))
    return refused(EINVAL);
  return (int)syscall(SYS_fsync, file);
}
#endif
