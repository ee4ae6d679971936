# Packages of any Debian release, downloaded by an apt of its own: nothing is installed and no root is
# needed. For the scripts beside it, which source it. Its folder's path must be free of spaces.

MIRROR=${LIFEBOAT_TEST_DEBIAN_MIRROR:-http://deb.debian.org}
target=$(realpath -m "${CARGO_TARGET_DIR:-target}")
tools=${LIFEBOAT_TEST_TOOLS:-$target/tools}

fail() { printf 'error: %s\n' "$*" >&2; exit 1; }

need() {
    local tool
    for tool in "$@"; do
        command -v "$tool" >/dev/null || fail "please install $tool"
    done
}

# Makes a folder $1 whose apt knows the release $2 and its security updates, and nothing installed.
apt_folder() {
    local folder=$1 suite=$2 kind
    need apt-get dpkg-deb
    mkdir -p "$folder"/{cache/archives/partial,lists/partial,etc/apt.conf.d,etc/preferences.d}
    : >"$folder/status"
    for kind in deb deb-src; do
        printf '%s [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] %s/debian %s main\n' $kind "$MIRROR" "$suite"
        [ "$suite" = sid ] ||
            printf '%s [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] %s/debian-security %s-security main\n' \
                $kind "$MIRROR" "$suite"
    done >"$folder/etc/sources.list"
    apt_in "$folder" update
}

# Runs apt-get with the folder $1 for everything that it reads and writes.
apt_in() {
    local folder=$1
    shift
    apt-get $(apt_options "$folder") "$@"
}

# Downloads the package $3 into the working folder, as `download` or as `source` ($2), in the newest version that can be
# had: a mirror may lag behind what it lists.
apt_newest() {
    local folder=$1 how=$2 package=$3 version
    local flags=()
    [ "$how" = download ] || flags=(--download-only)
    for version in $(apt-cache $(apt_options "$folder") madison "$package" | awk '{print $3}' | sort -ruV); do
        apt_in "$folder" "$how" "${flags[@]}" "$package=$version" >/dev/null 2>&1 && return
    done
    fail "$MIRROR has no $how of $package that can be had"
}

apt_options() {
    local folder=$1 option
    for option in Dir::Etc="$folder/etc" Dir::Etc::sourceparts=- Dir::State::lists="$folder/lists" \
        Dir::State::status="$folder/status" Dir::Cache="$folder/cache" Dir::Log="$folder" \
        APT::Install-Recommends=false APT::Sandbox::User=root Debug::NoLocking=true; do
        printf -- '-o %s ' "$option"
    done
    printf -- '-qq'
}
