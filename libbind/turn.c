/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Who moves cards with a frame buffer: one lend at a time, from its look at the console until its cards have moved. Two that
 * start at once, or one that starts while another comes home, would else take away the card that the other has just put the
 * terminals on: left on a frame buffer that is no more they hang the kernel (see console_plan()).
 *
 * The lock is pvebind's own, not its workers': one that hangs in a driver keeps nobody else from going home. The file's time
 * is changed by whoever has it, so that who looked before sees that the look is out of date; the file stays empty.
 */
#include <fcntl.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>

#include "lend.h"

#define TURN "console.turn.lock"
#define MOVES (-1)             /* somebody has it now */
#define CREATED_S 1000000000   /* a new file's own time is after 2001; ours count from the boot */

/* 0: nobody had it in this boot. */
static int64_t turn_time(int fd)
{
	struct stat st;

	if (fstat(fd, &st) < 0)
		return MOVES;
	return st.st_mtim.tv_sec >= CREATED_S ? 0 : (int64_t)st.st_mtim.tv_sec * 1000000000 + st.st_mtim.tv_nsec;
}

static int turn_mark(int fd)
{
	int64_t now_ns = pvb_boottime_ns();
	const struct timespec omit = { .tv_nsec = UTIME_OMIT };
	const struct timespec times[2] = { omit, { .tv_sec = now_ns / 1000000000, .tv_nsec = now_ns % 1000000000 } };

	return futimens(fd, times) < 0 ? -errno : 0;
}

int64_t pvb_turn_look(const struct pvb_ctx *ctx)
{
	_cleanup_close_ int fd = pvb_open(ctx, PVB_STATE_DIR "/" TURN, O_RDONLY | O_NOFOLLOW);

	if (fd < 0)
		return 0;
	return flock(fd, LOCK_SH | LOCK_NB) < 0 && errno == EWOULDBLOCK ? MOVES : turn_time(fd);
}

int pvb_turn_take(struct pvb_ctx *ctx, int64_t deadline_ns, int64_t seen, struct pvb_record *turn)
{
	int r = pvb_record_open(ctx, TURN, deadline_ns, turn);

	if (r < 0) {
		turn->fd = -1;
		return r;
	}
	if (seen != PVB_TURN_ANY && (seen == MOVES || seen != turn_time(turn->fd)))
		r = -ESTALE;
	if (r == 0 && turn_mark(turn->fd) < 0 && seen != PVB_TURN_ANY)
		r = -EIO; /* nothing stops the way home */
	if (r < 0)
		pvb_record_close(turn);
	return r;
}

void pvb_turn_end(struct pvb_ctx *ctx, struct pvb_record *turn)
{
	if (turn->fd < 0)
		return;
	if (turn_mark(turn->fd) < 0)
		pvb_log(ctx, PVB_DEBUG, "who comes next does not see that the console was moved");
	pvb_record_close(turn);
}
