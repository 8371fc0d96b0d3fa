# Debian packages of any release, fetched and unpacked without installing anything. Sourced by `kernels` and `modules`.
#
# The machine's own apt is not touched: apt runs with a configuration of its own and checks the archive's signature itself.
# shellcheck shell=sh

me=${0##*/}
say() { echo "$me: $*" >&2; }
die() { say "$@"; exit 1; }

PATH=$PATH:/usr/sbin:/sbin
keyring=/usr/share/keyrings/debian-archive-keyring.gpg
# shellcheck disable=SC2034 # read by those who source this
release=$(sed -n 's/^VERSION_CODENAME=//p' /etc/os-release)

# suite_of KERNELNAME - the suite that has it; fails for a name that is no kernel of ours
suite_of() {
	case $1 in
	6.1) echo bookworm ;;
	6.12) echo trixie ;;
	7) echo trixie-backports ;;
	*) die "no kernel called '$1' (there are 6.1, 6.12 and 7)" ;;
	esac
}

need_tools() {
	for tool; do
		command -v "$tool" >/dev/null || die "$tool is missing: apt-get install apt dpkg kmod"
	done
	[ -e $keyring ] || die "$keyring is missing: apt-get install debian-archive-keyring"
}

# apt itself reads the machine's sources, so both file formats, mirror: lists and proxies are its business. The
# mirror wanted is the one that has the release itself: -updates and -security live elsewhere and hold no suite of ours.
mirror_find() {
	# shellcheck disable=SC2016 # $(…) is apt's own syntax here
	apt-get indextargets --no-release-info --format '$(RELEASE) $(COMPONENT) $(REPO_URI)' 'Created-By: Packages' |
		awk -v release="$release" '($1 == release || $1 == "stable" || $1 == "oldstable") && $2 == "main" { print $3; exit }'
}

# apt_private DIR SUITE… - from here on apt knows these suites and nothing else, and keeps all its files below DIR
apt_private() {
	dir=$1
	shift
	mirror=$(mirror_find)
	[ -n "$mirror" ] || die "this machine's apt sources have no '$release main' to take the mirror from"
	mkdir -p "$dir/lists/partial" "$dir/cache/archives/partial"
	for suite; do
		echo "deb [arch=amd64 signed-by=$keyring] $mirror $suite main"
	done >"$dir/sources.list"
	: >"$dir/status"
	cat >"$dir/apt.conf" <<-END
		Dir::Etc::SourceList "$dir/sources.list";
		Dir::Etc::SourceParts "/dev/null";
		Dir::State "$dir";
		Dir::State::Lists "$dir/lists";
		Dir::State::Status "$dir/status";
		Dir::Cache "$dir/cache";
		APT::Architecture "amd64";
		APT::Sandbox::User "root"; // the folder is below a home that _apt may not enter
		APT::Update::Error-Mode "any";
		Acquire::Retries "3";
	END
	export APT_CONFIG="$dir/apt.conf"
	apt-get -qq update >&2 || die "apt could not read $* (is the archive's key in $keyring? it has trixie's since 2023.3+deb12u2)"
}

# depends PACKAGE - what it depends on, a name a line
depends() { apt-cache show --no-all-versions "$1" | sed -n 's/^Depends: //p' | sed 's/[,|]/\n/g' | sed 's/^ *//; s/ .*//'; }

# fetch_and_unpack DIR PACKAGE… - just these packages, unpacked into DIR
fetch_and_unpack() {
	into=$1
	shift
	debs=$(mktemp -d "${APT_CONFIG%/*}/debs.XXXXXX")
	(cd "$debs" && apt-get -qq download "$@" >&2) || die "download failed"
	for deb in "$debs"/*.deb; do
		dpkg-deb -x "$deb" "$into"
	done
	rm -rf "$debs"
}
