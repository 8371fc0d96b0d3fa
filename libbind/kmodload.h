/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * libkmod's functions under names of ours, which load libkmod when they are first called (kmodload.c): a static library must
 * define nothing that another one does.
 */
#ifndef PVEBIND_KMODLOAD_H
#define PVEBIND_KMODLOAD_H

#define kmod_new pvb_kmod_new
#define kmod_unref pvb_kmod_unref
#define kmod_set_log_priority pvb_kmod_set_log_priority
#define kmod_set_log_fn pvb_kmod_set_log_fn
#define kmod_list_next pvb_kmod_list_next
#define kmod_module_new_from_name pvb_kmod_module_new_from_name
#define kmod_module_new_from_lookup pvb_kmod_module_new_from_lookup
#define kmod_module_apply_filter pvb_kmod_module_apply_filter
#define kmod_module_get_module pvb_kmod_module_get_module
#define kmod_module_get_name pvb_kmod_module_get_name
#define kmod_module_probe_insert_module pvb_kmod_module_probe_insert_module
#define kmod_module_remove_module pvb_kmod_module_remove_module
#define kmod_module_unref pvb_kmod_module_unref
#define kmod_module_unref_list pvb_kmod_module_unref_list
#define kmod_config_get_aliases pvb_kmod_config_get_aliases
#define kmod_config_get_blacklists pvb_kmod_config_get_blacklists
#define kmod_config_get_install_commands pvb_kmod_config_get_install_commands
#define kmod_config_get_options pvb_kmod_config_get_options
#define kmod_config_get_remove_commands pvb_kmod_config_get_remove_commands
#define kmod_config_get_softdeps pvb_kmod_config_get_softdeps
#define kmod_config_iter_next pvb_kmod_config_iter_next
#define kmod_config_iter_get_key pvb_kmod_config_iter_get_key
#define kmod_config_iter_get_value pvb_kmod_config_iter_get_value
#define kmod_config_iter_free_iter pvb_kmod_config_iter_free_iter

#include <libkmod.h>

#endif
