/*
 * Capture devices without a kernel driver, preloaded into a program: each path in the folder CAMERA_FOLDER, a link to /dev/null so
 * that it is a character device, answers the V4L2 calls that a program makes to capture, with the frames of a file. A process
 * opens one of them. Beside a device `cam` there are
 *
 * cam.modes  lines of: fourcc width height fps frames-file
 * cam.state  read before each frame: a word, and how long before its delivery a frame was captured, ms. `ok`; `gone` (unplugged:
 *            ENODEV); `slow` (a frame a second); `garbage` (frames of noise); `silent` (no frame at all)
 *
 * A frames file is: for each frame its length (4 bytes, little endian) and its bytes. It plays in a loop.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/videodev2.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define PUBLIC __attribute__((visibility("default")))
#define MOST_FDS 16
#define MOST_BUFFERS 32
#define MOST_MODES 16
#define BUFFER_BYTES (4 << 20)

struct mode {
  unsigned fourcc, width, height, fps;
  char frames[400];
};

static struct mode modes[MOST_MODES];
static int mode_count;
static char device[400];
static int fds[MOST_FDS], fd_count;
static struct mode *mode;
static unsigned char *buffers[MOST_BUFFERS];
static int queue[MOST_BUFFERS], queued, buffer_count;
static unsigned char *content;
static size_t content_bytes, content_at;
static int streaming;
static unsigned sequence;
static double next_at;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

static int (*real_ioctl)(int, unsigned long, void *);
static int (*real_open)(const char *, int, ...);
static int (*real_close)(int);
static int (*real_dup)(int);
static void *(*real_mmap)(void *, size_t, int, int, int, off_t);

static void load(void) {
  if (real_ioctl) return;
  real_open = dlsym(RTLD_NEXT, "open");
  real_close = dlsym(RTLD_NEXT, "close");
  real_dup = dlsym(RTLD_NEXT, "dup");
  real_mmap = dlsym(RTLD_NEXT, "mmap");
  real_ioctl = dlsym(RTLD_NEXT, "ioctl");
}

static FILE *open_beside(const char *ending) {
  char path[450];
  snprintf(path, sizeof path, "%s.%s", device, ending);
  return fopen(path, "r");
}

static void load_modes(void) {
  FILE *file = open_beside("modes");
  mode_count = 0;
  while (file && mode_count < MOST_MODES) {
    struct mode *one = &modes[mode_count];
    char fourcc[5] = "";
    if (fscanf(file, "%4s %u %u %u %399s", fourcc, &one->width, &one->height, &one->fps, one->frames) != 5) break;
    one->fourcc = v4l2_fourcc(fourcc[0], fourcc[1], fourcc[2], fourcc[3]);
    mode_count++;
  }
  if (file) fclose(file);
  mode = &modes[0];
}

static double now(void) {
  struct timespec at;
  clock_gettime(CLOCK_MONOTONIC, &at);
  return at.tv_sec + at.tv_nsec / 1e9;
}

static double age_ms;

static int state_is(const char *word) {
  char text[32] = "ok";
  FILE *file = open_beside("state");
  if (file) {
    if (fscanf(file, "%31s %lf", text, &age_ms) < 1) strcpy(text, "ok");
    fclose(file);
  }
  return strcmp(text, word) == 0;
}

static int is_ours(int fd) {
  for (int i = 0; i < fd_count; i++)
    if (fds[i] == fd) return 1;
  return 0;
}

static int opened(const char *path, int fd) {
  const char *folder = getenv("CAMERA_FOLDER");
  if (fd < 0 || !folder || strncmp(path, folder, strlen(folder)) != 0 || fd_count == MOST_FDS) return fd;
  struct stat is;
  if (fstat(fd, &is) != 0 || !S_ISCHR(is.st_mode)) return fd;
  snprintf(device, sizeof device, "%s", path);
  load_modes();
  fds[fd_count++] = fd;
  return fd;
}

PUBLIC int open(const char *path, int flags, ...) {
  load();
  va_list rest;
  va_start(rest, flags);
  int permissions = va_arg(rest, int);
  va_end(rest);
  return opened(path, real_open(path, flags, permissions));
}

PUBLIC int open64(const char *path, int flags, ...) {
  load();
  va_list rest;
  va_start(rest, flags);
  int permissions = va_arg(rest, int);
  va_end(rest);
  return opened(path, real_open(path, flags | O_LARGEFILE, permissions));
}

/* GStreamer captures by a duplicate. */
PUBLIC int dup(int fd) {
  load();
  int copy = real_dup(fd);
  if (copy >= 0 && is_ours(fd) && fd_count < MOST_FDS) fds[fd_count++] = copy;
  return copy;
}

PUBLIC int close(int fd) {
  load();
  for (int i = 0; i < fd_count; i++)
    if (fds[i] == fd) fds[i--] = fds[--fd_count];
  return real_close(fd);
}

PUBLIC void *mmap(void *at, size_t length, int protection, int flags, int fd, off_t offset) {
  if (!real_mmap) real_mmap = dlsym(RTLD_NEXT, "mmap");
  if (fd < 0 || !is_ours(fd)) return real_mmap(at, length, protection, flags, fd, offset);
  void *memory = real_mmap(NULL, length, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  int index = offset / BUFFER_BYTES;
  if (index < MOST_BUFFERS) buffers[index] = memory;
  return memory;
}

PUBLIC void *mmap64(void *at, size_t length, int protection, int flags, int fd, off_t offset) {
  return mmap(at, length, protection, flags, fd, offset);
}

static int fails(int code) {
  errno = code;
  return -1;
}

static void describe(struct v4l2_format *format) {
  memset(&format->fmt.pix, 0, sizeof format->fmt.pix);
  format->fmt.pix.width = mode->width;
  format->fmt.pix.height = mode->height;
  format->fmt.pix.pixelformat = mode->fourcc;
  format->fmt.pix.field = V4L2_FIELD_NONE;
  format->fmt.pix.bytesperline = mode->fourcc == V4L2_PIX_FMT_YUYV ? mode->width * 2 : 0;
  format->fmt.pix.sizeimage = mode->fourcc == V4L2_PIX_FMT_YUYV ? mode->width * mode->height * 2 : BUFFER_BYTES / 4;
  format->fmt.pix.colorspace = V4L2_COLORSPACE_SRGB;
}

static void choose(struct v4l2_format *format) {
  struct v4l2_pix_format *pix = &format->fmt.pix;
  struct mode *best = mode;
  long least = -1;
  for (int i = 0; i < mode_count; i++) {
    long away = labs((long)modes[i].width - (long)pix->width) + labs((long)modes[i].height - (long)pix->height);
    if (modes[i].fourcc != pix->pixelformat) away += 100000;
    if (least >= 0 && away >= least) continue;
    least = away;
    best = &modes[i];
  }
  mode = best;
  describe(format);
}

static void load_frames(void) {
  free(content);
  content = NULL;
  content_bytes = content_at = 0;
  FILE *file = fopen(mode->frames, "rb");
  if (!file) return;
  struct stat facts;
  fstat(fileno(file), &facts);
  content = malloc(facts.st_size);
  content_bytes = fread(content, 1, facts.st_size, file);
  fclose(file);
}

static unsigned fill(unsigned char *to) {
  if (state_is("garbage")) {
    for (int i = 0; i < 20000; i++) to[i] = rand();
    return 20000;
  }
  if (content_at + 4 > content_bytes) content_at = 0;
  unsigned length;
  memcpy(&length, content + content_at, 4);
  memcpy(to, content + content_at + 4, length);
  content_at += 4 + length;
  return length;
}

static void sleep_until(double at) {
  double left = at - now();
  if (left > 0) usleep(left * 1e6);
}

static int dequeue(struct v4l2_buffer *buffer) {
  double step = state_is("slow") ? 1.0 : 1.0 / mode->fps;
  while (state_is("silent") && streaming) {
    if (state_is("gone")) return fails(ENODEV);
    usleep(20000);
  }
  next_at = next_at < now() - step ? now() : next_at + step;
  sleep_until(next_at);
  if (state_is("gone") || access(device, F_OK) != 0) return fails(ENODEV);
  if (!streaming) return fails(EINVAL);
  pthread_mutex_lock(&lock);
  if (queued == 0) {
    pthread_mutex_unlock(&lock);
    return fails(EAGAIN);
  }
  int index = queue[0];
  memmove(queue, queue + 1, --queued * sizeof *queue);
  pthread_mutex_unlock(&lock);
  double captured = now() - age_ms / 1000;
  buffer->index = index;
  buffer->bytesused = fill(buffers[index]);
  buffer->flags = V4L2_BUF_FLAG_TIMESTAMP_MONOTONIC | V4L2_BUF_FLAG_MAPPED;
  buffer->field = V4L2_FIELD_NONE;
  buffer->timestamp.tv_sec = captured;
  buffer->timestamp.tv_usec = (captured - (long)captured) * 1e6;
  buffer->sequence = sequence++;
  buffer->memory = V4L2_MEMORY_MMAP;
  buffer->length = BUFFER_BYTES;
  return 0;
}

static int answer(unsigned long request, void *argument) {
  switch (request) {
    case VIDIOC_QUERYCAP: {
      struct v4l2_capability *is = argument;
      memset(is, 0, sizeof *is);
      strcpy((char *)is->driver, "preloaded");
      strcpy((char *)is->card, "Preloaded camera");
      strcpy((char *)is->bus_info, "platform:preloaded");
      is->version = 0x060000;
      is->device_caps = V4L2_CAP_VIDEO_CAPTURE | V4L2_CAP_STREAMING;
      is->capabilities = is->device_caps | V4L2_CAP_DEVICE_CAPS;
      return 0;
    }
    case VIDIOC_ENUMINPUT: {
      struct v4l2_input *input = argument;
      if (input->index > 0) return fails(EINVAL);
      strcpy((char *)input->name, "Camera");
      input->type = V4L2_INPUT_TYPE_CAMERA;
      input->std = 0;
      input->status = 0;
      return 0;
    }
    case VIDIOC_G_INPUT:
      *(int *)argument = 0;
      return 0;
    case VIDIOC_S_INPUT:
      return 0;
    case VIDIOC_ENUM_FMT: {
      struct v4l2_fmtdesc *format = argument;
      if (format->type != V4L2_BUF_TYPE_VIDEO_CAPTURE) return fails(EINVAL);
      unsigned seen = 0;
      for (int i = 0; i < mode_count; i++) {
        int before = 0;
        for (int j = 0; j < i; j++) before |= modes[j].fourcc == modes[i].fourcc;
        if (before) continue;
        if (seen++ != format->index) continue;
        format->pixelformat = modes[i].fourcc;
        format->flags = modes[i].fourcc == V4L2_PIX_FMT_YUYV ? 0 : V4L2_FMT_FLAG_COMPRESSED;
        snprintf((char *)format->description, sizeof format->description, "%.4s", (char *)&modes[i].fourcc);
        return 0;
      }
      return fails(EINVAL);
    }
    case VIDIOC_ENUM_FRAMESIZES: {
      struct v4l2_frmsizeenum *size = argument;
      unsigned seen = 0;
      for (int i = 0; i < mode_count; i++) {
        if (modes[i].fourcc != size->pixel_format || seen++ != size->index) continue;
        size->type = V4L2_FRMSIZE_TYPE_DISCRETE;
        size->discrete.width = modes[i].width;
        size->discrete.height = modes[i].height;
        return 0;
      }
      return fails(EINVAL);
    }
    case VIDIOC_ENUM_FRAMEINTERVALS: {
      struct v4l2_frmivalenum *interval = argument;
      if (interval->index > 0) return fails(EINVAL);
      for (int i = 0; i < mode_count; i++) {
        if (modes[i].fourcc != interval->pixel_format || modes[i].width != interval->width) continue;
        interval->type = V4L2_FRMIVAL_TYPE_DISCRETE;
        interval->discrete.numerator = 1;
        interval->discrete.denominator = modes[i].fps;
        return 0;
      }
      return fails(EINVAL);
    }
    case VIDIOC_G_FMT:
    case VIDIOC_TRY_FMT:
    case VIDIOC_S_FMT: {
      struct v4l2_format *format = argument;
      if (format->type != V4L2_BUF_TYPE_VIDEO_CAPTURE) return fails(EINVAL);
      struct mode *before = mode;
      if (request == VIDIOC_G_FMT) describe(format);
      else choose(format);
      if (request == VIDIOC_TRY_FMT) mode = before;
      return 0;
    }
    case VIDIOC_G_PARM:
    case VIDIOC_S_PARM: {
      struct v4l2_streamparm *parameters = argument;
      if (parameters->type != V4L2_BUF_TYPE_VIDEO_CAPTURE) return fails(EINVAL);
      memset(&parameters->parm, 0, sizeof parameters->parm);
      parameters->parm.capture.capability = V4L2_CAP_TIMEPERFRAME;
      parameters->parm.capture.timeperframe.numerator = 1;
      parameters->parm.capture.timeperframe.denominator = mode->fps;
      return 0;
    }
    case VIDIOC_REQBUFS: {
      struct v4l2_requestbuffers *ask = argument;
      if (ask->memory != V4L2_MEMORY_MMAP) return fails(EINVAL);
      if (ask->count > MOST_BUFFERS) ask->count = MOST_BUFFERS;
      buffer_count = ask->count;
      queued = 0;
      return 0;
    }
    case VIDIOC_QUERYBUF: {
      struct v4l2_buffer *buffer = argument;
      if ((int)buffer->index >= buffer_count) return fails(EINVAL);
      buffer->length = BUFFER_BYTES;
      buffer->m.offset = buffer->index * BUFFER_BYTES;
      buffer->flags = V4L2_BUF_FLAG_TIMESTAMP_MONOTONIC;
      buffer->memory = V4L2_MEMORY_MMAP;
      return 0;
    }
    case VIDIOC_QBUF: {
      struct v4l2_buffer *buffer = argument;
      if (state_is("gone")) return fails(ENODEV);
      pthread_mutex_lock(&lock);
      if (queued < MOST_BUFFERS) queue[queued++] = buffer->index;
      pthread_mutex_unlock(&lock);
      buffer->flags |= V4L2_BUF_FLAG_QUEUED;
      return 0;
    }
    case VIDIOC_DQBUF:
      return dequeue(argument);
    case VIDIOC_STREAMON:
      if (state_is("gone")) return fails(ENODEV);
      load_frames();
      next_at = now();
      streaming = 1;
      return 0;
    case VIDIOC_STREAMOFF:
      streaming = 0;
      pthread_mutex_lock(&lock);
      queued = 0;
      pthread_mutex_unlock(&lock);
      return 0;
    default:
      return fails(request == VIDIOC_QUERYCTRL || request == VIDIOC_QUERY_EXT_CTRL ? EINVAL : ENOTTY);
  }
}

PUBLIC int ioctl(int fd, unsigned long request, ...) {
  load();
  va_list rest;
  va_start(rest, request);
  void *argument = va_arg(rest, void *);
  va_end(rest);
  if (!is_ours(fd)) return real_ioctl(fd, request, argument);
  // Callers pass the number as a signed int.
  return answer((unsigned)request, argument);
}
