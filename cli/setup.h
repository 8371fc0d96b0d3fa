/* SPDX-License-Identifier: GPL-2.0-or-later */
/* pvebind setup: what its files share. */
#ifndef PVEBIND_CLI_SETUP_H
#define PVEBIND_CLI_SETUP_H

#include "cli.h"
#include "../setup/setup.h"

/* ---- setupshow.c ---- */

void setup_show_text(const struct setup_plan *plan);
/* {"points": [{"name", "have", "want", "why", "reboot", "refused"}], "files": [{"path", "why", "diff"}],
 *  "commands": ["…"], "hints": [{"kind", "place", "text"}], "nothing", "reboot", "unfinished"} */
void setup_show_json(const struct setup_plan *plan, bool unfinished);
/* What undoing would change; where somebody edited since, both differences. */
void setup_show_undo(const struct setup_undos *undos);

#endif
