/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Units and containers that are stopped for a lend, by a made-up systemctl and pct, and started again after it. */
#include <fnmatch.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "../../conf/conf.h"
#include "host.h"

/*
 * The host's services: svc/NAME holds what a unit is ("active", "inactive", "failed", "activating") or a container
 * ("running", "stopped"). svc/NAME.stop and .start: a line of sh that is run instead. Every call is noted in svc.log.
 */
static const char systemctl[] =
	"#!/bin/sh\n"
	"cd \"${0%/usr/bin/*}\" || exit 9\n"
	"verb=$1; for unit; do :; done\n"
	"[ $verb = show ] || echo \"$verb $unit\" >>svc.log\n"
	"[ -e /proc/self/fd/9 ] && echo leaked >>svc.log\n"
	"case $verb in\n"
	"show) if [ -e svc/$unit ]; then echo LoadState=loaded; echo ActiveState=$(cat svc/$unit)\n"
	"      else echo LoadState=not-found; echo ActiveState=inactive; fi\n"
	"      echo TriggeredBy=$(cat svc/$unit.triggers 2>/dev/null) ;;\n"
	"stop) if [ -e svc/$unit.stop ]; then . ./svc/$unit.stop; else echo inactive >svc/$unit; rm -rf proc/812; fi ;;\n"
	"start) if [ -e svc/$unit.start ]; then . ./svc/$unit.start; else echo active >svc/$unit; fi ;;\n"
	"*) exit 1 ;;\n"
	"esac\n";
static const char pct[] =
	"#!/bin/sh\n"
	"cd \"${0%/usr/sbin/*}\" || exit 9\n"
	"[ $1 = status ] || echo \"pct $*\" >>svc.log\n"
	"[ -e svc/$2 ] || { echo \"Configuration file 'nodes/pve/lxc/$2.conf' does not exist\" >&2; exit 2; }\n"
	"case $1 in\n"
	"status) echo \"status: $(cat svc/$2)\" ;;\n"
	"shutdown) if [ -e svc/$2.stop ]; then . ./svc/$2.stop; else echo stopped >svc/$2; rm -rf proc/813; fi ;;\n"
	"start) if [ -e svc/$2.start ]; then . ./svc/$2.start; else echo running >svc/$2; fi ;;\n"
	"*) exit 1 ;;\n"
	"esac\n";

static void program(struct host *h, const char *path, const char *text)
{
	ft_write(h->t, path, text);
	assert_int_equal(fchmodat(h->t->fd, path, 0755, 0), 0);
}

static int setup(void **state)
{
	struct host *h;

	if (host_setup(state) < 0)
		return -1;
	h = *state;
	ft_preset_gpu(h->t);
	ft_preset_gpu2(h->t);
	ft_write(h->t, "sys/module/bochs/refcnt", "2\n");
	program(h, "usr/bin/systemctl", systemctl);
	program(h, "usr/sbin/pct", pct);
	ft_write(h->t, "svc.log", "");
	ft_write(h->t, "svc/lightdm.service", "active");
	ft_write(h->t, "svc/idle.service", "inactive");
	ft_write(h->t, "svc/105", "running");
	return 0;
}

/* lightdm.service's process has the card. */
static void busy(struct host *h)
{
	ft_process(h->t, 812, "Xorg", "Xorg", "/dev/dri/card0");
	ft_write(h->t, "proc/812/cgroup", "0::/system.slice/lightdm.service\n");
}

static struct pvb_request request_of(const char *name, struct pvb_wanted *wanted, const char *addr, const char *units,
				     const char *containers)
{
	struct pvb_request request = { .wanted = wanted, .num_wanted = 1 };

	*wanted = (struct pvb_wanted){ .addr = addr_of(addr) };
	snprintf(request.name, sizeof(request.name), "%s", name);
	snprintf(request.label, sizeof(request.label), "VM %s", name);
	pvb_settings_default(&request.settings);
	request.settings.busy_stop = true;
	request.settings.device_timeout_ms = 20000; /* test machines are busy at times */
	snprintf(request.settings.stop_units, sizeof(request.settings.stop_units), "%s", units);
	snprintf(request.settings.stop_containers, sizeof(request.settings.stop_containers), "%s", containers);
	return request;
}

static int lend_as(struct host *h, const char *name, const char *addr, const char *units, const char *containers)
{
	struct pvb_wanted wanted;
	struct pvb_request request = request_of(name, &wanted, addr, units, containers);

	*h->said = '\0';
	return pvb_lend(h->ctx, &request, &h->err);
}

static int lend(struct host *h, const char *units, const char *containers)
{
	return lend_as(h, "100", "01:00", units, containers);
}

static int take_back(struct host *h, const char *name, unsigned flags)
{
	*h->said = '\0';
	return pvb_return(h->ctx, name, flags, &h->err);
}

static void is(int got, int want, struct host *h)
{
	if (got != want)
		fail_msg("gave %d, not %d: %s\nit said:\n%s", got, want, h->err.text, h->said);
}

/* Home, and no record of it left. */
static void assert_home(struct host *h)
{
	assert_string_equal(ft_driver_of(h->t, "0000:01:00.0"), "bochs-drm");
	assert_false(ft_exists(h->t, "run/pvebind/100.journal"));
	assert_false(ft_exists(h->t, "run/pvebind/unit.lightdm.service"));
	assert_false(ft_exists(h->t, "run/pvebind/unit.idle.service"));
	assert_false(ft_exists(h->t, "run/pvebind/container.105"));
}

static void what_ran_runs_again(void **state)
{
	struct host *h = *state;

	busy(h);
	ft_process(h->t, 813, "ffmpeg", "ffmpeg", "/dev/fb0");
	ft_write(h->t, "proc/813/cgroup", "0::/lxc/105/ns/x\n");
	is(lend(h, "lightdm idle.service", "105"), 0, h);
	assert_string_equal(ft_driver_of(h->t, "0000:01:00.0"), "vfio-pci");
	assert_string_equal(ft_read(h->t, "svc/lightdm.service"), "inactive");
	assert_string_equal(ft_read(h->t, "svc/105"), "stopped");
	assert_int_equal(fnmatch("stop lightdm.service\npct shutdown 105 --timeout 1[0-9] --forceStop 0", ft_read(h->t, "svc.log"), 0), 0);
	assert_has(h->said, "lightdm.service runs now: it is stopped, and started again afterwards");
	assert_has(h->said, "idle.service does not run now");
	assert_has(h->said, "stopped lightdm.service (");
	assert_has(h->said, "stopped container 105 (");
	ft_write(h->t, "svc.log", "");
	is(take_back(h, "100", 0), 0, h);
	assert_string_equal(ft_read(h->t, "svc.log"), "pct start 105\nstart lightdm.service");
	assert_string_equal(ft_read(h->t, "svc/lightdm.service"), "active");
	assert_string_equal(ft_read(h->t, "svc/idle.service"), "inactive");
	assert_has(h->said, "started lightdm.service again (");
	assert_home(h);
}

/* What may open the card any moment is stopped even if it has not. */
/* A stop that was given up goes on by itself: such a unit is not one that runs, and is started after it. */
static void still_stopping_is_started(void **state)
{
	struct host *h = *state;

	is(lend(h, "lightdm.service", ""), 0, h);
	ft_write(h->t, "svc/lightdm.service", "deactivating");
	is(take_back(h, "100", 0), 0, h);
	assert_has(ft_read(h->t, "svc.log"), "start lightdm.service");
	assert_home(h);
}

static void idle_holders_are_stopped(void **state)
{
	struct host *h = *state;

	is(lend(h, "lightdm.service", ""), 0, h);
	assert_string_equal(ft_read(h->t, "svc.log"), "stop lightdm.service");
	is(take_back(h, "100", 0), 0, h);
	assert_home(h);
}

static void plan_only_looks(void **state)
{
	struct host *h = *state;
	struct pvb_wanted wanted;
	struct pvb_request request = request_of("100", &wanted, "01:00", "lightdm.service gone.service", "105 106");
	struct pvb_plan *plan;
	char notes[2048] = "", words[256];
	unsigned stops = 0;

	ft_write(h->t, "svc/lightdm.service.triggers", "lightdm.socket lightdm.timer");
	assert_int_equal(pvb_plan_lend(h->ctx, &request, &plan, &h->err), 0);
	for (size_t i = 0; pvb_plan_note(plan, i); i++)
		strcat(strcat(notes, pvb_plan_note(plan, i)), "\n");
	assert_has(notes, "lightdm.service runs now");
	assert_has(notes, "lightdm.socket may start lightdm.service again while it is to be stopped: name it in stop-units too");
	assert_has(notes, "lightdm.timer may start");
	assert_has(notes, "gone.service is to be stopped, but this host has none of that name");
	assert_has(notes, "container 106 is to be stopped, but this host has none of that name");
	for (size_t i = 0; i < pvb_plan_count(plan); i++)
		if (pvb_plan_get(plan, i)->kind == PVB_OP_STOP && !stops++)
			assert_string_equal(pvb_op_describe(plan, pvb_plan_get(plan, i), words, sizeof(words)), "stop unit lightdm.service");
	assert_int_equal(stops, 4);
	assert_string_equal(ft_read(h->t, "svc.log"), "");
	pvb_plan_free(plan);
	/* Named itself, before it: nothing to say. */
	snprintf(request.settings.stop_units, sizeof(request.settings.stop_units), "lightdm.socket lightdm.timer lightdm.service");
	assert_int_equal(pvb_plan_lend(h->ctx, &request, &plan, &h->err), 0);
	for (size_t i = 0; pvb_plan_note(plan, i); i++)
		assert_has_not(pvb_plan_note(plan, i), "may start");
	pvb_plan_free(plan);
}

static void refuse_stops_nothing(void **state)
{
	struct host *h = *state;

	busy(h);
	ft_process(h->t, 814, "other", "other", "/dev/dri/card0");
	is(lend(h, "lightdm.service", ""), -EBUSY, h);
	assert_has(h->said, "refused (held): 0000:01:00.0 is in use: other (pid 814, other.service)");
	assert_string_equal(ft_read(h->t, "svc.log"), "");
	assert_string_equal(ft_driver_of(h->t, "0000:01:00.0"), "bochs-drm");
}

/* Held by a process is not held by a lend: what another VM only keeps is not brought home for a lend that is refused. */
static void held_by_a_process_settles_nothing(void **state)
{
	struct host *h = *state;
	struct pvb_wanted wanted[2];
	struct pvb_request request = request_of("101", wanted, "02:00", "", "");

	request.settings.keep_on_stop = true;
	is(pvb_lend(h->ctx, &request, &h->err), 0, h);
	is(take_back(h, "101", 0), 0, h);
	assert_string_equal(ft_driver_of(h->t, "0000:02:00.0"), "vfio-pci");
	busy(h);
	request = request_of("100", &wanted[0], "01:00", "", "");
	wanted[1] = (struct pvb_wanted){ .addr = addr_of("02:00") };
	request.num_wanted = 2;
	is(pvb_lend(h->ctx, &request, &h->err), -EBUSY, h);
	assert_string_equal(ft_driver_of(h->t, "0000:02:00.0"), "vfio-pci");
	ft_remove(h->t, "proc/812");
	is(pvb_lend(h->ctx, &request, &h->err), 0, h);
	is(take_back(h, "100", 0), 0, h);
	assert_string_equal(ft_driver_of(h->t, "0000:02:00.0"), "bochs-drm");
}

static void backup_stops_nothing(void **state)
{
	struct host *h = *state;
	struct pvb_wanted wanted;
	struct pvb_request request = request_of("100", &wanted, "01:00", "lightdm.service", "");

	snprintf(request.settings.tag, sizeof(request.settings.tag), "backup");
	busy(h);
	is(pvb_lend(h->ctx, &request, &h->err), -EBUSY, h);
	assert_has(h->said, "refused (backup): 0000:01:00.0 is in use: Xorg (pid 812, lightdm.service)");
	ft_remove(h->t, "proc/812");
	is(pvb_lend(h->ctx, &request, &h->err), 0, h);
	assert_string_equal(ft_read(h->t, "svc.log"), "");
	is(take_back(h, "100", 0), 0, h);
	assert_string_equal(ft_read(h->t, "svc.log"), "");
}

static void two_lends_share_a_unit(void **state)
{
	struct host *h = *state;

	is(lend_as(h, "100", "01:00", "lightdm.service", ""), 0, h);
	is(lend_as(h, "101", "02:00", "lightdm.service", ""), 0, h);
	assert_string_equal(ft_read(h->t, "svc.log"), "stop lightdm.service");
	is(take_back(h, "100", 0), 0, h);
	assert_has(h->said, "lightdm.service stays stopped for another lend");
	assert_string_equal(ft_read(h->t, "svc/lightdm.service"), "inactive");
	is(take_back(h, "101", 0), 0, h);
	assert_string_equal(ft_read(h->t, "svc.log"), "stop lightdm.service\nstart lightdm.service");
	assert_home(h);
}

/* Somebody has started it between the two lends: it is wanted, and did not run at first. */
static void started_in_between_counts(void **state)
{
	struct host *h = *state;

	is(lend_as(h, "100", "01:00", "idle.service", ""), 0, h);
	ft_write(h->t, "svc/idle.service", "active");
	is(lend_as(h, "101", "02:00", "idle.service", ""), 0, h);
	assert_string_equal(ft_read(h->t, "svc/idle.service"), "inactive");
	is(take_back(h, "101", 0), 0, h);
	is(take_back(h, "100", 0), 0, h);
	assert_string_equal(ft_read(h->t, "svc/idle.service"), "active");
	assert_home(h);
}

static void failing_stop_is_undone(void **state)
{
	struct host *h = *state;

	ft_write(h->t, "svc/105.stop", "echo 'lxc-stop failed: exit code 1' >&2; exit 255\n");
	is(lend(h, "lightdm.service", "105"), -EBUSY, h);
	assert_has(h->err.text, "cannot stop container 105: lxc-stop failed: exit code 1");
	assert_string_equal(ft_read(h->t, "svc/lightdm.service"), "active");
	assert_home(h);
}

static void what_starts_again_is_said(void **state)
{
	struct host *h = *state;

	ft_write(h->t, "svc/lightdm.service.stop", "exit 0\n");
	is(lend(h, "lightdm.service", ""), -EBUSY, h);
	assert_has(h->err.text, "lightdm.service was stopped, but runs again: something starts it");
	assert_home(h);
}

static void slow_stop_is_given_up(void **state)
{
	struct host *h = *state;
	struct pvb_wanted wanted;
	struct pvb_request request = request_of("100", &wanted, "01:00", "lightdm.service", "");
	int64_t start = pvb_now_ns();

	request.settings.device_timeout_ms = 4000;
	ft_write(h->t, "svc/lightdm.service.stop", "echo $$ >svc.pid; exec sleep 60\n");
	is(pvb_lend(h->ctx, &request, &h->err), -ETIMEDOUT, h);
	assert_has(h->err.text, "systemctl stop lightdm.service took too long, given up");
	assert_in_range((pvb_now_ns() - start) / 1000000, 3000, 20000);
	assert_int_equal(kill(atoi(ft_read(h->t, "svc.pid")), 0), -1); /* it does not live on */
	assert_home(h);
}

/* What is left in the unit's cgroup, or came in the meantime. */
static void who_stays_is_named(void **state)
{
	struct host *h = *state;
	struct pvb_wanted wanted;
	struct pvb_request request = request_of("100", &wanted, "01:00", "lightdm.service", "");

	request.settings.device_timeout_ms = 4000;
	busy(h);
	ft_write(h->t, "svc/lightdm.service.stop", "echo inactive >svc/lightdm.service\n");
	is(pvb_lend(h->ctx, &request, &h->err), -EBUSY, h);
	assert_has(h->err.text, "the devices are in use still: Xorg (pid 812, lightdm.service) has /dev/dri/card0 open");
	assert_int_equal(ft_wrote(h->t, "*unbind", "*"), -1);
	assert_string_equal(ft_read(h->t, "svc/lightdm.service"), "active");
	assert_home(h);
}

/* The close of the node is what ends the wait, long before its time. */
static void late_close_is_waited_for(void **state)
{
	struct host *h = *state;
	int64_t start = pvb_now_ns();

	busy(h);
	ft_write(h->t, "svc/lightdm.service.stop",
		 "echo inactive >svc/lightdm.service; (sleep 1; rm -rf proc/812; : <dev/dri/card0) </dev/null >/dev/null 2>&1 &\n");
	is(lend(h, "lightdm.service", ""), 0, h);
	assert_in_range((pvb_now_ns() - start) / 1000000, 900, 15000);
	is(take_back(h, "100", 0), 0, h);
}

static void failing_start_needs_attention(void **state)
{
	struct host *h = *state;

	is(lend(h, "lightdm.service", "105"), 0, h);
	ft_write(h->t, "svc/lightdm.service.start", "echo 'Job failed.' >&2; exit 1\n");
	ft_write(h->t, "svc/105.start", "echo 'no such disk' >&2; exit 255\n");
	is(take_back(h, "100", 0), -PVB_EATTENTION, h);
	assert_has(h->said, "cannot start lightdm.service again: Job failed.; see: journalctl -u lightdm.service");
	assert_has(h->said, "cannot start container 105 again: no such disk; see: journalctl -u pve-container@105");
	assert_string_equal(ft_driver_of(h->t, "0000:01:00.0"), "bochs-drm");
	/* As systemctl says it, which has where to look in a line of its own. */
	ft_write(h->t, "svc/lightdm.service.start",
		 "printf '%s\\n' 'Job for lightdm.service failed because of it.' >&2\n"
		 "printf '%s\\n' 'See \"systemctl status lightdm.service\" and \"journalctl -xeu lightdm.service\" for details.' >&2; exit 1\n");
	is(take_back(h, "100", 0), -PVB_EATTENTION, h);
	assert_has(h->said, "cannot start lightdm.service again: Job for lightdm.service failed because of it.; see: journalctl -u");
	ft_write(h->t, "svc/lightdm.service.start", "echo failed >svc/lightdm.service\n");
	is(take_back(h, "100", 0), -PVB_EATTENTION, h);
	assert_has(h->said, "cannot start lightdm.service again: it has failed");
	/* Mended. */
	ft_remove(h->t, "svc/lightdm.service.start");
	ft_remove(h->t, "svc/105.start");
	is(pvb_recover(h->ctx, NULL, NULL, &h->err), 0, h);
	assert_string_equal(ft_read(h->t, "svc/lightdm.service"), "active");
	assert_string_equal(ft_read(h->t, "svc/105"), "running");
	assert_home(h);
}

static void what_is_no_more_is_not_started(void **state)
{
	struct host *h = *state;

	is(lend(h, "lightdm.service", "105"), 0, h);
	ft_remove(h->t, "svc/lightdm.service");
	ft_remove(h->t, "svc/105");
	ft_write(h->t, "svc.log", "");
	is(take_back(h, "100", 0), 0, h);
	assert_has(h->said, "lightdm.service ran before, but is masked or removed now: not started");
	assert_has(h->said, "container 105 ran before, but is masked or removed now: not started");
	assert_string_equal(ft_read(h->t, "svc.log"), "");
	assert_home(h);
}

static void nothing_starts_on_a_host_that_goes_down(void **state)
{
	struct host *h = *state;

	is(lend(h, "lightdm.service", "105"), 0, h);
	ft_write(h->t, "svc.log", "");
	is(take_back(h, "100", PVB_RETURN_HOME | PVB_RETURN_NO_START), 0, h);
	assert_has(h->said, "lightdm.service is not started again: the host is shutting down");
	assert_string_equal(ft_read(h->t, "svc.log"), "");
	assert_home(h);
}

static void own_unit_is_refused(void **state)
{
	struct host *h = *state;

	ft_write(h->t, "proc/self/cgroup", "0::/system.slice/pvedaemon.service\n");
	ft_write(h->t, "svc/pvedaemon.service", "active");
	is(lend(h, "lightdm.service pvedaemon", ""), -EBUSY, h);
	assert_has(h->said, "refused (held): pvedaemon.service is to be stopped, but pvebind itself runs in it now");
	assert_string_equal(ft_read(h->t, "svc.log"), "");
}

static void missing_systemctl_fails(void **state)
{
	struct host *h = *state;

	ft_remove(h->t, "usr/bin/systemctl");
	is(lend(h, "lightdm.service", ""), -ENOENT, h);
	assert_has(h->err.text, "cannot run systemctl for lightdm.service: No such file or directory");
	assert_home(h);
}

static int64_t ms_since(int64_t start)
{
	return (pvb_now_ns() - start) / 1000000;
}

/* Each has five seconds to say whether it runs; all of them have no more than the lend has. */
static void silence_is_not_waited_for_again_and_again(void **state)
{
	struct host *h = *state;
	struct pvb_wanted wanted;
	struct pvb_request request = request_of("100", &wanted, "01:00", "a b c d e f g h i j k l", "");
	int64_t start = pvb_now_ns();

	program(h, "usr/bin/systemctl", "#!/bin/sh\nexec sleep 60\n");
	request.settings.hook_timeout_ms = 3000;
	is(pvb_lend(h->ctx, &request, &h->err), -ETIMEDOUT, h);
	assert_in_range(ms_since(start), 1000, 5000);
	assert_has(h->err.text, "VM 100: looking at the host took longer than its hook-timeout (3000 ms) leaves for that; nothing was lent and nothing changed; pvebind plan 100 shows what does not answer");
	assert_has(h->said, "a.service is to be stopped, but: systemctl show a.service took too long, given up");
	assert_int_equal(ft_writes(h->t), 0);
	assert_home(h);
	/* Nor by what began earlier. */
	request.settings.hook_timeout_ms = 8000; /* 4.5 s of it to look at the host */
	pvb_ctx_set_start(h->ctx, pvb_now_ns() - 3000000000);
	start = pvb_now_ns();
	is(pvb_lend(h->ctx, &request, &h->err), -ETIMEDOUT, h);
	assert_in_range(ms_since(start), 0, 3000);
}

static void never_answer(struct pvb_ctx *ctx, void *data, int fd)
{
	(void)ctx;
	(void)data;
	(void)fd;
	pause();
}

/* Of processes that could not be looked into it is not known whether they have the card, however little time there is. */
static void nor_who_has_the_card(void **state)
{
	struct host *h = *state;
	struct pvb_wanted wanted;
	struct pvb_request request = request_of("100", &wanted, "01:00", "", "");
	struct pvb_holders holders;
	struct pvb_nodes nodes = { .n = 0 };
	char why[160], *text;
	size_t size;
	int64_t start = pvb_now_ns();

	ft_process(h->t, 813, "stuck", "stuck", "/dev/null");
	ft_remove(h->t, "proc/813/maps");
	assert_int_equal(mkfifoat(h->t->fd, "proc/813/maps", 0600), 0); /* who reads it waits */
	request.settings.hook_timeout_ms = 2000;
	is(pvb_lend(h->ctx, &request, &h->err), -ETIMEDOUT, h);
	assert_in_range(ms_since(start), 500, 3500);
	assert_has(h->err.text, "looking at the host took longer");
	assert_home(h);
	assert_int_equal(pvb_nodes_add(&nodes, &wanted.addr, "/dev/dri/card0"), 0);
	h->ctx->deadline_ns = pvb_now_ns() + 300000000;
	start = pvb_now_ns();
	assert_int_equal(pvb_ask(h->ctx, never_answer, NULL, 20000000000, &text, &size), -ETIMEDOUT);
	assert_in_range(ms_since(start), 300, 8000);
	free(text);
	assert_int_equal(pvb_holders_find(h->ctx, &nodes, &holders), 0);
	assert_true(pvb_holders_unknown(h->ctx, &holders, why, sizeof(why)));
	assert_has(why, "no time left to look");
	h->ctx->deadline_ns = 0;
	pvb_holders_clear(&holders);
	pvb_nodes_clear(&nodes);
}

static void shutdown_is_asked_for_a_second_at_most(void **state)
{
	struct host *h = *state;
	int64_t start = pvb_now_ns();

	program(h, "usr/bin/systemctl", "#!/bin/sh\necho stopping\nexec sleep 60\n");
	assert_false(conf_vmstate_shutting_down(h->ctx)); /* no systemd here */
	ft_mkdir(h->t, "run/systemd/system");
	assert_true(conf_vmstate_shutting_down(h->ctx));
	assert_in_range(ms_since(start), 0, 2000);
	program(h, "usr/bin/systemctl", "#!/bin/sh\nexec sleep 60\n");
	start = pvb_now_ns();
	assert_false(conf_vmstate_shutting_down(h->ctx));
	assert_in_range(ms_since(start), 900, 2500);
	ft_write(h->t, "run/nologin", "System is going down.\n");
	assert_true(conf_vmstate_shutting_down(h->ctx));
	program(h, "usr/bin/systemctl", "#!/bin/sh\necho running\n");
	assert_false(conf_vmstate_shutting_down(h->ctx)); /* its answer counts */
}

/* pct gives up, the container has been told all the same. */
static void late_container_is_warned_of(void **state)
{
	struct host *h = *state;
	struct pvb_wanted wanted;
	struct pvb_request request = request_of("100", &wanted, "01:00", "", "105");

	ft_write(h->t, "svc/105.stop", "echo 'lxc-stop: timed out' >&2; exit 255\n");
	is(pvb_lend(h->ctx, &request, &h->err), -EBUSY, h);
	assert_has(h->said, "container 105 runs still, but was asked to shut down, and may yet do so: if it stops, start it again: pct start 105");
	assert_home(h);
	/* Who runs after a lend that came to be was started by somebody. */
	ft_remove(h->t, "svc/105.stop");
	is(lend(h, "", "105"), 0, h);
	ft_write(h->t, "svc/105", "running");
	is(take_back(h, "100", 0), 0, h);
	assert_has_not(h->said, "was asked to shut down");
	assert_home(h);
}

/* A lend in a process of its own, that is killed when the file is there. */
static void lend_and_die(struct host *h, const char *units, const char *file)
{
	pid_t pid = fork();

	if (pid == 0)
		_exit(lend(h, units, "") < 0);
	for (int i = 0; i < 1000 && !ft_exists(h->t, file); i++)
		usleep(10000);
	assert_true(ft_exists(h->t, file));
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
}

#define HOST_LOCK "100.host.lock"

/* A hook was killed, and the worker that stops the units was not: it is waited for. */
static void worker_of_the_host_is_waited_for(void **state)
{
	struct host *h = *state;

	ft_write(h->t, "svc/lightdm.service.stop", ": >begun; sleep 2; echo inactive >svc/lightdm.service; echo stopped >>svc.log\n");
	lend_and_die(h, "lightdm.service", "begun");
	assert_true(pvb_record_locked(h->ctx, HOST_LOCK));
	assert_false(pvb_record_locked(h->ctx, "100.lock"));
	is(pvb_recover(h->ctx, NULL, NULL, &h->err), 0, h);
	assert_false(pvb_record_locked(h->ctx, HOST_LOCK));
	assert_string_equal(ft_read(h->t, "svc.log"), "stop lightdm.service\nstopped\nstart lightdm.service");
	assert_false(ft_exists(h->t, "run/pvebind/" HOST_LOCK));
	assert_home(h);
}

/* Until it has even taken the unit's own lock it may stop it yet: nobody starts the unit before that. */
static void nobody_works_beside_it(void **state)
{
	struct host *h = *state;
	struct pvb_record lock;
	struct pvb_wanted wanted;
	struct pvb_request request = request_of("100", &wanted, "01:00", "lightdm.service", "");

	request.settings.hook_timeout_ms = 8000; /* with sanitizers a busy machine took more than half of it to look at the host */
	is(pvb_lend(h->ctx, &request, &h->err), 0, h);
	ft_write(h->t, "svc.log", "");
	assert_int_equal(pvb_record_open(h->ctx, HOST_LOCK, pvb_now_ns() + 10000000000, &lock), 0); /* as such a worker has it */
	*h->said = '\0';
	is(take_back(h, "100", 0), -PVB_EATTENTION, h);
	assert_has(h->said, "console, services and modules: another process works on them and does not end: left alone");
	assert_string_equal(ft_driver_of(h->t, "0000:01:00.0"), "bochs-drm");
	assert_string_equal(ft_read(h->t, "svc.log"), "");
	pvb_record_close(&lock);
	is(pvb_recover(h->ctx, NULL, NULL, &h->err), 0, h);
	assert_string_equal(ft_read(h->t, "svc.log"), "start lightdm.service");
	assert_home(h);
}

#define TEST(fn) cmocka_unit_test_setup_teardown(fn, setup, host_teardown)

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		TEST(what_ran_runs_again),
		TEST(idle_holders_are_stopped),
		TEST(plan_only_looks),
		TEST(refuse_stops_nothing),
		TEST(held_by_a_process_settles_nothing),
		TEST(backup_stops_nothing),
		TEST(two_lends_share_a_unit),
		TEST(started_in_between_counts),
		TEST(failing_stop_is_undone),
		TEST(what_starts_again_is_said),
		TEST(slow_stop_is_given_up),
		TEST(who_stays_is_named),
		TEST(late_close_is_waited_for),
		TEST(failing_start_needs_attention),
		TEST(what_is_no_more_is_not_started),
		TEST(nothing_starts_on_a_host_that_goes_down),
		TEST(own_unit_is_refused),
		TEST(still_stopping_is_started),
		TEST(missing_systemctl_fails),
		TEST(silence_is_not_waited_for_again_and_again),
		TEST(nor_who_has_the_card),
		TEST(shutdown_is_asked_for_a_second_at_most),
		TEST(late_container_is_warned_of),
		TEST(worker_of_the_host_is_waited_for),
		TEST(nobody_works_beside_it),
	};

	(void)argc;
	ft_preload(argv);
	return cmocka_run_group_tests_name("service", tests, NULL, NULL);
}
