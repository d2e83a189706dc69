/* A /dev/gpiochip0 for one process, in front of the C library: what of the kernel's GPIO interface (version 2) lgpio asks
   for, served from a table of lines. LD_PRELOAD it; sim_drive is a finger, sim_level and sim_used are eyes. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/gpio.h>
#include <stdarg.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define LINES 8
#define FDS 1024
#define REAL(result, name, ...) static result (*real)(__VA_ARGS__); if (!real) real = dlsym(RTLD_NEXT, name)

static struct line {
    const char *name, *driver;
    int level, fd, events; /* the request's two ends, -1: nobody's */
    unsigned long long flags;
    char consumer[GPIO_MAX_NAME_SIZE];
} lines[LINES] = {
    {"PA6", 0, 1, -1, -1}, {"PA7", 0, 1, -1, -1}, {"", 0, 1, -1, -1}, {"NC", 0, 1, -1, -1},
    {"NC", 0, 1, -1, -1}, {"red-led", "heartbeat", 0, -1, -1}, {"PA8", 0, 1, -1, -1}, {"PA9", 0, 1, -1, -1},
};
static char is_chip[FDS];

int sim_level(int n) { return lines[n].level; }
int sim_used(int n) { return lines[n].fd >= 0; }

void sim_drive(int n, int level)
{
    struct timespec now;
    struct gpio_v2_line_event event = {.offset = n};
    if (lines[n].level == level) return;
    lines[n].level = level;
    if (!(lines[n].flags & GPIO_V2_LINE_FLAG_EDGE_FALLING)) return;
    clock_gettime(CLOCK_MONOTONIC, &now);
    event.timestamp_ns = now.tv_sec * 1000000000ULL + now.tv_nsec;
    event.id = level ? GPIO_V2_LINE_EVENT_RISING_EDGE : GPIO_V2_LINE_EVENT_FALLING_EDGE;
    if (write(lines[n].events, &event, sizeof event) < 0) return;
}

static int chip_info(struct gpiochip_info *info)
{
    strcpy(info->name, "gpiochip0");
    strcpy(info->label, "soc.pinctrl");
    info->lines = LINES;
    return 0;
}

static int line_info(struct gpio_v2_line_info *info)
{
    struct line *line = &lines[info->offset];
    strcpy(info->name, line->name);
    strcpy(info->consumer, line->driver ? line->driver : line->consumer);
    info->flags = line->flags | (line->driver || line->fd >= 0 ? GPIO_V2_LINE_FLAG_USED : 0);
    return 0;
}

static int request(struct gpio_v2_line_request *wanted)
{
    struct line *line = &lines[wanted->offsets[0]];
    int ends[2];
    if (line->driver || line->fd >= 0) { errno = EBUSY; return -1; }
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends)) return -1;
    wanted->fd = line->fd = ends[0];
    line->events = ends[1];
    line->flags = wanted->config.flags;
    strcpy(line->consumer, wanted->consumer);
    if (line->flags & GPIO_V2_LINE_FLAG_OUTPUT)
        line->level = wanted->config.num_attrs ? wanted->config.attrs[0].attr.values & 1 : 0;
    return 0;
}

int open(const char *path, int flags, ...)
{
    va_list rest;
    REAL(int, "open", const char *, int, ...);
    va_start(rest, flags);
    int mode = flags & (O_CREAT | O_TMPFILE) ? va_arg(rest, int) : 0;
    va_end(rest);
    if (strcmp(path, "/dev/gpiochip0")) return real(path, flags, mode);
    int fd = real("/dev/null", O_RDWR | O_CLOEXEC);
    is_chip[fd] = 1;
    return fd;
}

int close(int fd)
{
    REAL(int, "close", int);
    if (fd >= 0 && fd < FDS) is_chip[fd] = 0;
    for (struct line *line = lines; fd >= 0 && line < lines + LINES; line++)
        if (line->fd == fd) {
            real(line->events);
            line->fd = line->events = -1;
            line->flags = 0;
            line->consumer[0] = 0;
        }
    return real(fd);
}

int ioctl(int fd, unsigned long what, ...)
{
    va_list rest;
    REAL(int, "ioctl", int, unsigned long, ...);
    va_start(rest, what);
    void *argument = va_arg(rest, void *);
    va_end(rest);
    if (fd >= 0 && fd < FDS && is_chip[fd]) {
        if (what == GPIO_GET_CHIPINFO_IOCTL) return chip_info(argument);
        if (what == GPIO_V2_GET_LINEINFO_IOCTL) return line_info(argument);
        if (what == GPIO_V2_GET_LINE_IOCTL) return request(argument);
    }
    for (struct line *line = lines; fd >= 0 && line < lines + LINES; line++)
        if (line->fd == fd) {
            struct gpio_v2_line_values *values = argument;
            if (what == GPIO_V2_LINE_GET_VALUES_IOCTL) values->bits = line->level;
            if (what == GPIO_V2_LINE_SET_VALUES_IOCTL) line->level = values->bits & 1;
            return 0;
        }
    return real(fd, what, argument);
}
