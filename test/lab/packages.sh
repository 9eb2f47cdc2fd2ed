#!/bin/bash
# Installs from Debian what the tests on real servers and the lab need. Run as root, on Debian 12; quick when all of it
# is there. Starts nothing, removes nothing, and leaves no service enabled that it brought.
set -u -o pipefail

# Never an exim here: it and Postfix cannot live together.
wanted=(
  systemd systemd-sysv dbus iproute2 nftables procps psmisc iputils-ping openssl faketime
  postfix dovecot-core dovecot-imapd dovecot-lmtpd dovecot-pop3d nginx-light bind9 bind9-dnsutils
  swaks socat rsyslog monit monitoring-plugins-basic e2fsprogs util-linux
  # What the checks ask: directories, databases, filters, sieve.
  slapd ldap-utils postfix-ldap opendkim rspamd clamav-daemon redis-server mariadb-server postgresql
  dovecot-managesieved dovecot-sieve redis-tools mariadb-client snmpd libgnutls-dane0 libidn12 libnsl2
  # The other products of the kits.
  apache2 haproxy spamd unbound stunnel4 php-fpm amavisd-new mailman3 fetchmail
  # Other ways to run services, other houses, other systems.
  resource-agents supervisor busybox-static podman runc keepalived libxml2-utils wine64 wine
  # What a network operations centre has.
  snmp snmptrapd smitools
  # Receivers of alerts.
  prometheus-alertmanager
  # Webmail, and a fetcher.
  roundcube-core roundcube-sqlite3 php-sqlite3 getmail6
  # Log hosts, and tools that check the files that are made for them.
  rsyslog-gnutls rsyslog-openssl snmptt nagios4-core icinga2-bin php-cli
  # A cluster.
  corosync pacemaker pacemaker-cli-utils crmsh
  etcd-server etcd-client iputils-arping knot
  # Agents of clusters, and what theirs need.
  fence-agents pacemaker-resource-agents kmod
  # Replication.
  rsync
  # Files are copied between nodes as an administrator does it.
  openssh-server
)
units=(
  postfix dovecot nginx named rsyslog monit nftables slapd opendkim rspamd clamav-daemon clamav-freshclam
  redis-server mariadb postgresql snmpd apache2 haproxy spamd unbound stunnel4 php8.2-fpm amavis mailman3 fetchmail
  supervisor podman podman.socket podman-auto-update podman-auto-update.timer podman-restart keepalived logd
  snmptrapd snmptrapd.socket
  prometheus-alertmanager
  roundcube-gc.timer roundcube-cleandb.timer
  snmptt nagios4 icinga2
  corosync corosync-notifyd pacemaker pacemaker_remote crm_mon
  etcd knot
  ssh
)
policy=/usr/sbin/policy-rc.d
limit=600 # seconds for one apt-get

say() { printf 'packages: %s\n' "$*" >&2; }
fail() { say "$*"; exit 1; }

installed() { [ "$(dpkg-query -W -f '${db:Status-Status}' "$1" 2>/dev/null)" = installed ]; }

# One line a problem is enough for a person; the last lines of apt hold it.
apt() {
  timeout -k 10 "$limit" apt-get -q -o DPkg::Lock::Timeout=300 -o Acquire::Retries=3 "$@" >"$log" 2>&1 </dev/null
}

# `apt-get update` does not wait for the lock of its lists, so another one that runs meanwhile is waited for here.
update() {
  local try
  for try in $(seq 60); do
    apt update && return 0
    grep -q 'Could not get lock' "$log" || return 1
    sleep 2
  done
  return 1
}

command -v dpkg-query >/dev/null && command -v apt-get >/dev/null ||
  fail 'this is not Debian: the tests on real servers and the lab need Debian 12 (run them without root to leave them out)'
missing=()
for name in "${wanted[@]}"; do installed "$name" || missing+=("$name"); done
[ ${#missing[@]} -eq 0 ] && exit 0
[ "$(id -u)" = 0 ] || fail "not root, and missing: ${missing[*]}"

log=$(mktemp) ours=
finish() { rm -f "$log"; [ -z "$ours" ] || rm -f "$policy"; }
trap finish EXIT
trap 'exit 130' INT TERM

if [ ! -e "$policy" ]; then
  ours=yes
  printf '#!/bin/sh\nexit 101\n' >"$policy" && chmod 755 "$policy" || fail "cannot write $policy"
fi
new_units=()
for unit in "${units[@]}"; do
  systemctl --root=/ is-enabled --quiet "$unit" 2>/dev/null || new_units+=("$unit")
done

say "installing ${missing[*]}"
export DEBIAN_FRONTEND=noninteractive
printf 'postfix postfix/main_mailer_type select No configuration\n' | debconf-set-selections
# The lists may be fresh enough; only when they are not is the network asked for new ones.
install=(install -y --no-install-recommends --no-remove "${missing[@]}")
if ! apt "${install[@]}"; then
  update || fail "apt-get update failed: $(tail -n 3 "$log")"
  apt "${install[@]}" || fail "apt-get install failed: $(tail -n 5 "$log")"
fi
[ ${#new_units[@]} -eq 0 ] || systemctl --root=/ --quiet disable "${new_units[@]}" 2>/dev/null
for name in "${missing[@]}"; do installed "$name" || fail "$name is still missing after apt-get install"; done
say 'done'
