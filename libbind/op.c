/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Operations as data: their names and their sentences. What they do is in effect.c. */
#include <string.h>

#include "lend.h"

static const char *const op_names[PVB_OP_COUNT] = {
	[PVB_OP_MODULE] = "module",	[PVB_OP_CONSOLE] = "console", [PVB_OP_CONSOLE_MOVE] = "console-move",
	[PVB_OP_POWER] = "power",
	[PVB_OP_OVERRIDE] = "override", [PVB_OP_UNBIND] = "unbind",   [PVB_OP_BIND] = "bind",
	[PVB_OP_RESET] = "reset",	[PVB_OP_SLOT_RESET] = "slot-reset",
	[PVB_OP_STOP] = "stop",		[PVB_OP_UNLOAD] = "unload",
};

const char *pvb_op_name(enum pvb_op_kind kind)
{
	return kind < PVB_OP_COUNT ? op_names[kind] : "unknown";
}

int pvb_op_kind_parse(const char *name, enum pvb_op_kind *kind)
{
	for (unsigned i = 0; i < PVB_OP_COUNT; i++)
		if (!strcmp(op_names[i], name)) {
			*kind = (enum pvb_op_kind)i;
			return 0;
		}
	return -EINVAL;
}

static const char *const state_names[] = {
	[PVB_HOME] = "home",	       [PVB_LENDING] = "lending", [PVB_LENT] = "lent",	   [PVB_RUNNING] = "running",
	[PVB_RETURNING] = "returning", [PVB_KEPT] = "kept",	  [PVB_FAILED] = "failed",
};

const char *pvb_state_name(enum pvb_state state)
{
	return (size_t)state < ARRAY_SIZE(state_names) ? state_names[state] : "unknown";
}

int pvb_state_parse(const char *name, enum pvb_state *state)
{
	for (unsigned i = 0; i < ARRAY_SIZE(state_names); i++)
		if (!strcmp(state_names[i], name)) {
			*state = (enum pvb_state)i;
			return 0;
		}
	return -EINVAL;
}

/* What an operation does, in words; %s is its argument. Undoing it has words of its own. */
static const struct {
	const char *redo, *undo;
} op_words[PVB_OP_COUNT] = {
	[PVB_OP_MODULE] = { "load the module %s", "leave the module %s loaded" },
	[PVB_OP_CONSOLE] = { "take the console off the screen (%s)", "give the console its screen back" },
	[PVB_OP_CONSOLE_MOVE] = { "show the console on the card that stays", "leave the console to the kernel" },
	[PVB_OP_POWER] = { "keep awake (%s)", "put the power settings back (%s)" },
	[PVB_OP_OVERRIDE] = { "set the driver override to %s", "put the driver override back" },
	[PVB_OP_UNBIND] = { "unbind from %s", "bind to %s" },
	[PVB_OP_BIND] = { "bind to %s", "unbind from %s" },
	[PVB_OP_RESET] = { "reset (%s)", "reset (%s)" },
	[PVB_OP_SLOT_RESET] = { "reset the slot (%s)", "reset the slot (%s)" },
	[PVB_OP_STOP] = { "stop %s", "start %s again, if it ran" },
	[PVB_OP_UNLOAD] = { "unload the module %s", "load the module %s again" },
};

const char *pvb_op_words(const struct pvb_op *op, const struct pvb_home *devices, char *buf, size_t size)
{
	const char *words = op->undo ? op_words[op->kind].undo : op_words[op->kind].redo;
	const struct pvb_home *home = op->device >= 0 ? &devices[op->device] : NULL;
	const char *arg = op->arg, *rest;
	char addr[PVB_ADDR_MAX + 2] = "";

	if (op->kind == PVB_OP_UNBIND && home && op->undo && !*home->driver && !home->by_modalias)
		words = "leave without a driver";
	rest = strstr(words, "%s");
	if (home) {
		pvb_addr_format(&home->addr, addr);
		strcat(addr, ": ");
	}
	if (op->kind == PVB_OP_UNBIND && home && op->undo)
		arg = *home->driver ? home->driver : "its native driver, found by modalias";
	else if (op->kind == PVB_OP_UNBIND && !*arg)
		arg = "the firmware's frame buffer";
	else if (op->kind == PVB_OP_CONSOLE && !*arg)
		arg = "another card shows it";
	if (!rest)
		snprintf(buf, size, "%s%s", addr, words);
	else
		snprintf(buf, size, "%s%.*s%s%s", addr, (int)(rest - words), words, arg, rest + 2);
	return buf;
}
