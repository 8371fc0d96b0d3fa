/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Who moves cards with a frame buffer: one lend at a time, from its look at the console until its cards have moved. Two that
 * start at once, or one that starts while another comes home, would else take away the card that the other has just put the
 * terminals on: left on a frame buffer that is no more they hang the kernel (see console_plan()).
 *
 * The lock is pvebind's own, not its workers': one that hangs in a driver keeps nobody else from going home. Its record
 * counts, so that who looked before it had the lock sees that its look is out of date.
 */
#include <string.h>

#include "lend.h"

#define TURN "console.turn.lock"

static int turn_write(struct pvb_record *turn, int64_t count, bool moving)
{
	struct pvb_line line;

	pvb_line_start(&line, "turn");
	pvb_line_number(&line, "count", count);
	pvb_line_number(&line, "moving", moving);
	return pvb_record_write(turn, &line);
}

/* What somebody moves, or was moving when he was killed, is no look to go by. */
static int64_t body_count(const char *body)
{
	return pvb_line_get_number(body, "moving", 0) ? -1 : pvb_line_get_number(body, "count", 0);
}

int64_t pvb_turn_look(const struct pvb_ctx *ctx)
{
	char body[PVB_RECORD_MAX];

	/* "" where nobody had it in this boot. */
	return pvb_record_peek(ctx, TURN, body) < 0 && *body ? -1 : body_count(body);
}

int pvb_turn_take(struct pvb_ctx *ctx, int64_t deadline_ns, int64_t seen, struct pvb_record *turn)
{
	int r = pvb_record_open(ctx, TURN, deadline_ns, turn);
	int64_t count;
	bool fresh;

	if (r < 0) {
		turn->fd = -1;
		return r;
	}
	count = pvb_line_get_number(turn->body, "count", 0);
	fresh = seen == PVB_TURN_ANY || (seen >= 0 && seen == body_count(turn->body));
	if (fresh)
		r = turn_write(turn, count + 1, true);
	if (r < 0 && seen == PVB_TURN_ANY)
		r = 0; /* a full /run does not stop the way home */
	if (!fresh && body_count(turn->body) < 0)
		r = turn_write(turn, count + 1, false); /* for one who was killed */
	if (r == 0 && !fresh)
		r = -ESTALE;
	if (r < 0)
		pvb_record_close(turn);
	return r;
}

void pvb_turn_end(struct pvb_ctx *ctx, struct pvb_record *turn)
{
	if (turn->fd < 0)
		return;
	if (turn_write(turn, pvb_line_get_number(turn->body, "count", 0) + 2, false) < 0)
		pvb_log(ctx, PVB_DEBUG, "who comes next looks at the console twice");
	pvb_record_close(turn);
}
