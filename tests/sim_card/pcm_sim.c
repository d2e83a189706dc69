/* A sound card that is not there: an ALSA I/O plugin with a clock of its own, which drifts (audio-path 2.3).
 *
 *     pcm.NAME { type sim  file PATH  ... }
 *
 * Playback goes into the file, capture comes out of it and is silence after its end: raw frames as negotiated. The
 * file is what a recorder at the jack would have: its place is the card's time since the first start, also across
 * xruns and reopenings; what is not played is silence, what is not read is skipped. Optional keys:
 *
 *   ppm      how much faster the crystal is: a number, or the path of a file that is read again every second
 *   fault    a path: while the file exists the card is unplugged; who had it open has to open it again
 *   stall    a path: while the file exists the card's clock stands still, and whoever waits for it waits
 *   late     the most milliseconds that a wake-up comes too late, at random
 *   channels rates formats periods    what the card can do, as lists in quotes, e.g. "1 2"; periods in frames
 *
 * FILE.log has a line per event, "EVENT SECONDS FRAME": start, xrun, stop or unplugged, when by CLOCK_MONOTONIC_RAW,
 * where in the file. Only one may have the card open: EBUSY for others.
 */
#define _GNU_SOURCE
#include <alsa/asoundlib.h>
#include <alsa/pcm_external.h>
#include <sys/file.h>
#include <sys/timerfd.h>

#define LOOK_S 0.05 /* how often a waiting card looks what becomes of it */
#define MOST 512

enum { PATH, PPM, FAULT, STALL, LATE, CHANNELS, RATES, FORMATS, PERIODS, KEYS };
static const char *const NAMES[] = {"file", "ppm", "fault", "stall", "late", "channels", "rates", "formats", "periods"};

typedef struct {
    snd_pcm_ioplug_t io;
    char *text[KEYS]; /* the configuration, NULL where nothing is said */
    double ppm, ppm_read, looked;
    int sound, log, playback;
    int running, gone, stalled, placed;
    double t0, frames0;       /* the card's clock: frames0 since prepare at t0 */
    double last_t, last_file; /* the last event that is known, from which the place of the next start follows */
    double base;              /* place in the file of the first frame since prepare */
} sim_t;

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC_RAW, &t);
    return t.tv_sec + t.tv_nsec * 1e-9;
}

static int exists(const char *path) { return path && access(path, F_OK) == 0; }
static double rate(sim_t *s) { return s->io.rate * (1 + s->ppm * 1e-6); }
static size_t frame_bytes(sim_t *s) { return s->io.channels * snd_pcm_format_physical_width(s->io.format) / 8; }

static void read_ppm(sim_t *s)
{
    FILE *f = s->text[PPM] && s->text[PPM][0] == '/' ? fopen(s->text[PPM], "re") : NULL;
    s->ppm_read = now();
    if (!f) s->ppm = s->text[PPM] ? atof(s->text[PPM]) : 0;
    else if (fscanf(f, "%lf", &s->ppm) != 1) SNDERR("%s holds no number", s->text[PPM]);
    if (f) fclose(f);
}

/* The frames since prepare. A new ppm and a stall act from now on: the card's time never jumps. */
static double card(sim_t *s)
{
    double t = s->looked = now(), frames = s->frames0;
    int stalled = exists(s->text[STALL]);
    if (!s->running) return frames;
    if (!s->stalled) frames += (t - s->t0) * rate(s);
    if (stalled || s->stalled || t - s->ppm_read >= 1) {
        s->frames0 = frames, s->t0 = t, s->stalled = stalled;
        read_ppm(s);
    }
    return frames;
}

static void note(sim_t *s, const char *event, double frame)
{
    s->last_t = s->looked, s->last_file = (double)(long)frame;
    dprintf(s->log, "%s %.6f %.0f\n", event, s->last_t, s->last_file);
}

/* The recorder ran on while the card did not. */
static void place(sim_t *s)
{
    if (!s->placed)
        s->base = s->last_t ? (double)(long)(s->last_file + (now() - s->last_t) * rate(s)) : 0;
    s->placed = 1;
}

/* What was written and not played is not in the air. The recorder heard silence since the card had run dry. */
static void halt(sim_t *s, const char *event)
{
    double at = card(s);
    off_t end = s->base + (at < s->io.appl_ptr ? at : s->io.appl_ptr);
    if (!s->running) return;
    s->running = 0;
    note(s, event, s->base + at);
    if (s->playback && ftruncate(s->sound, end * frame_bytes(s)) < 0)
        SNDERR("%s cannot be cut", s->text[PATH]);
}

static int is_gone(sim_t *s)
{
    if (!s->gone && exists(s->text[FAULT])) {
        s->gone = 1;
        halt(s, "unplugged");
        snd_pcm_ioplug_set_state(&s->io, SND_PCM_STATE_DISCONNECTED);
    }
    return s->gone;
}

/* Wake whoever waits when a whole period can be moved. */
static void arm(sim_t *s)
{
    double due = s->io.appl_ptr + s->io.period_size - (s->playback ? (double)s->io.buffer_size : 0);
    double wait = (due + 0.5 - card(s)) / rate(s) + (s->text[LATE] ? atof(s->text[LATE]) * 1e-3 * drand48() : 0);
    struct itimerspec when = {{0, 0}, {0, 0}};
    if (s->stalled || wait > LOOK_S) wait = LOOK_S; /* it may be unplugged meanwhile */
    when.it_value.tv_nsec = wait < 1e-6 ? 1000 : (long)(wait * 1e9);
    timerfd_settime(s->io.poll_fd, 0, &when, NULL);
}

static int sim_start(snd_pcm_ioplug_t *io)
{
    sim_t *s = io->private_data;
    if (is_gone(s)) return -ENODEV;
    place(s);
    s->frames0 = 0, s->t0 = s->looked = now(), s->running = 1, s->stalled = exists(s->text[STALL]);
    note(s, "start", s->base);
    arm(s);
    return 0;
}

static int sim_stop(snd_pcm_ioplug_t *io) { return halt(io->private_data, "stop"), 0; }

static int sim_prepare(snd_pcm_ioplug_t *io)
{
    sim_t *s = io->private_data;
    if (is_gone(s)) return -ENODEV;
    halt(s, "stop");
    s->placed = 0, s->frames0 = 0;
    return 0;
}

static snd_pcm_sframes_t sim_pointer(snd_pcm_ioplug_t *io)
{
    sim_t *s = io->private_data;
    double at = card(s);
    if (is_gone(s)) return -ENODEV;
    if (io->state == SND_PCM_STATE_DRAINING && at > io->appl_ptr) at = io->appl_ptr;
    if (s->playback ? at > io->appl_ptr : at - io->appl_ptr > io->buffer_size) {
        halt(s, "xrun");
        return -EPIPE;
    }
    return (snd_pcm_uframes_t)at % io->buffer_size;
}

/* By the program's own count: with mmap the same frames can be asked for again. */
static snd_pcm_sframes_t sim_transfer(snd_pcm_ioplug_t *io, const snd_pcm_channel_area_t *areas,
                                      snd_pcm_uframes_t offset, snd_pcm_uframes_t size)
{
    sim_t *s = io->private_data;
    ssize_t bytes = size * frame_bytes(s), moved;
    char *data = (char *)areas->addr + (areas->first + areas->step * offset) / 8;
    off_t at;
    if (is_gone(s)) return -ENODEV;
    place(s);
    at = ((off_t)s->base + io->appl_ptr) * frame_bytes(s);
    moved = s->playback ? pwrite(s->sound, data, bytes, at) : pread(s->sound, data, bytes, at);
    if (moved < 0 || (s->playback && moved < bytes)) return -EIO;
    memset(data + moved, 0, s->playback ? 0 : bytes - moved);
    if (s->running) arm(s);
    return size;
}

static int sim_poll_revents(snd_pcm_ioplug_t *io, struct pollfd *pfd, unsigned int nfds, unsigned short *revents)
{
    sim_t *s = io->private_data;
    double waiting = (snd_pcm_uframes_t)card(s) - (double)io->appl_ptr + (s->playback ? io->buffer_size : 0);
    *revents = 0;
    if (is_gone(s) || !s->running || waiting >= io->period_size)
        *revents = s->playback ? POLLOUT : POLLIN; /* the timer stays due until something is moved */
    else
        arm(s);
    if (!s->running) *revents |= POLLERR;
    return 0;
}

static int sim_drain(snd_pcm_ioplug_t *io)
{
    sim_t *s = io->private_data;
    while (s->running && !is_gone(s) && card(s) < io->appl_ptr) usleep(1000);
    return 0;
}

static int sim_close(snd_pcm_ioplug_t *io)
{
    sim_t *s = io->private_data;
    halt(s, "stop");
    close(s->sound), close(s->log), close(io->poll_fd);
    for (int k = 0; k < KEYS; k++) free(s->text[k]);
    free(s);
    return 0;
}

static const snd_pcm_ioplug_callback_t CALLBACKS = {
    .start = sim_start, .stop = sim_stop, .pointer = sim_pointer, .transfer = sim_transfer, .close = sim_close,
    .prepare = sim_prepare, .drain = sim_drain, .poll_revents = sim_poll_revents,
};

/* The words of a list as numbers. */
static unsigned words(const char *text, unsigned *list)
{
    char *copy = strdup(text), *rest = copy, *word;
    unsigned n = 0;
    while (n < MOST && (word = strsep(&rest, " ")))
        list[n++] = word[0] >= 'A' ? (unsigned)snd_pcm_format_value(word) : (unsigned)atoi(word);
    free(copy);
    return n;
}

static int limit(sim_t *s)
{
    static const unsigned access[] = {SND_PCM_ACCESS_RW_INTERLEAVED, SND_PCM_ACCESS_MMAP_INTERLEAVED};
    static const char *const ALL[KEYS] = {
        [CHANNELS] = "1 2 3 4 5 6 7 8", [RATES] = "8000 16000 32000 44100 48000 96000 192000",
        [FORMATS] = "S16_LE S32_LE FLOAT_LE", [PERIODS] = "32 64 120 128 240 256 480 512 960 1024 1920 2048 4096"};
    unsigned list[KEYS][MOST], n[KEYS], bytes[MOST], sizes = 0;
    int err = snd_pcm_ioplug_set_param_list(&s->io, SND_PCM_IOPLUG_HW_ACCESS, 2, access);
    for (int k = CHANNELS; k < KEYS; k++)
        n[k] = words(s->text[k] ? s->text[k] : ALL[k], list[k]);
    for (unsigned p = 0; p < n[PERIODS]; p++) /* ALSA wants them in bytes */
        for (unsigned c = 0; c < n[CHANNELS]; c++)
            for (unsigned f = 0; f < n[FORMATS] && sizes < MOST; f++)
                bytes[sizes++] = list[PERIODS][p] * list[CHANNELS][c] * snd_pcm_format_width(list[FORMATS][f]) / 8;
    err |= snd_pcm_ioplug_set_param_list(&s->io, SND_PCM_IOPLUG_HW_CHANNELS, n[CHANNELS], list[CHANNELS]);
    err |= snd_pcm_ioplug_set_param_list(&s->io, SND_PCM_IOPLUG_HW_RATE, n[RATES], list[RATES]);
    err |= snd_pcm_ioplug_set_param_list(&s->io, SND_PCM_IOPLUG_HW_FORMAT, n[FORMATS], list[FORMATS]);
    err |= snd_pcm_ioplug_set_param_list(&s->io, SND_PCM_IOPLUG_HW_PERIOD_BYTES, sizes, bytes);
    return err | snd_pcm_ioplug_set_param_minmax(&s->io, SND_PCM_IOPLUG_HW_PERIODS, 2, 1024);
}

static int configure(sim_t *s, snd_config_t *conf)
{
    snd_config_iterator_t i, next;
    snd_config_for_each(i, next, conf) {
        const char *id;
        int k = 0, err = snd_config_get_id(snd_config_iterator_entry(i), &id);
        while (!err && k < KEYS && strcmp(id, NAMES[k])) k++;
        if (err || (k == KEYS && strcmp(id, "type"))) return -EINVAL;
        if (k < KEYS && snd_config_get_ascii(snd_config_iterator_entry(i), &s->text[k]) < 0)
            return -EINVAL;
    }
    return s->text[PATH] ? 0 : -EINVAL;
}

/* The card's file, and where the last one who had it open has left it. */
static int open_files(sim_t *s)
{
    char name[4096], line[128];
    FILE *log;
    snprintf(name, sizeof name, "%s.log", s->text[PATH]);
    s->log = open(name, O_RDWR | O_APPEND | O_CREAT | O_CLOEXEC, 0644);
    s->sound = open(s->text[PATH], O_RDWR | O_CREAT | O_CLOEXEC, 0644);
    s->io.poll_fd = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
    if (s->log < 0 || s->sound < 0 || s->io.poll_fd < 0 || !(log = fopen(name, "re"))) return -errno;
    while (fgets(line, sizeof line, log)) sscanf(line, "%*s %lf %lf", &s->last_t, &s->last_file);
    fclose(log);
    return flock(s->log, LOCK_EX | LOCK_NB) < 0 ? -EBUSY : 0;
}

SND_PCM_PLUGIN_DEFINE_FUNC(sim)
{
    sim_t *s = calloc(1, sizeof *s);
    int err;
    (void)root;
    s->io.version = SND_PCM_IOPLUG_VERSION;
    s->io.name = "a simulated card";
    s->io.callback = &CALLBACKS;
    s->io.private_data = s;
    s->io.poll_events = POLLIN;
    s->playback = stream == SND_PCM_STREAM_PLAYBACK;
    s->sound = s->log = s->io.poll_fd = -1;
    err = configure(s, conf);
    if (!err) err = exists(s->text[FAULT]) ? -ENODEV : open_files(s);
    read_ppm(s);
    if (err || (err = snd_pcm_ioplug_create(&s->io, name, stream, mode))) {
        sim_close(&s->io);
        return err;
    }
    *pcmp = s->io.pcm;
    if ((err = limit(s))) snd_pcm_ioplug_delete(&s->io);
    return err;
}
SND_PCM_PLUGIN_SYMBOL(sim)
