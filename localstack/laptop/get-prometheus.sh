#!/bin/bash
# get-prometheus.sh FOLDER: Debian's Prometheus and Alertmanager, unpacked into FOLDER without root and without installing
# them. The lists of packages are apt's where it has some, else ones that are fetched into FOLDER.
set -euo pipefail
folder=$1
packages=(prometheus prometheus-alertmanager)

for program in apt-get dpkg-deb; do
    if ! command -v "$program" >/dev/null; then
        echo "Prometheus and Alertmanager come from Debian's packages, and $program is not on this machine." >&2
        echo "Put prometheus, promtool, prometheus-alertmanager and amtool into $folder/usr/bin yourself, then:" \
            "touch $folder/.made" >&2
        exit 1
    fi
done

rm -rf "$folder"
mkdir -p "$folder/packages"
folder=$(cd "$folder" && pwd)
options=(-qq -o APT::Sandbox::User=)  # as root apt would hand the folder to another user, who may not pass to it
if ! apt-cache "${options[@]}" show "${packages[@]}" >/dev/null 2>&1; then
    mkdir -p "$folder/apt/lists/partial" "$folder/apt/cache/archives/partial"
    options+=(-o "Dir::State::Lists=$folder/apt/lists" -o "Dir::Cache=$folder/apt/cache")
    apt-get "${options[@]}" update
fi
(cd "$folder/packages" && apt-get "${options[@]}" download "${packages[@]}")
for package in "$folder"/packages/*.deb; do
    dpkg-deb --extract "$package" "$folder"
done
rm -rf "$folder/packages" "$folder/apt"
# Debian's Alertmanager reads its own template from where the package is installed, and from nowhere else. In its programs
# that path becomes one of the same length that is relative: they find the template when they start in this folder.
LC_ALL=C sed -i 's|/usr/share/prometheus/alertmanager|usr/share/prometheus//alertmanager|g' \
    "$folder/usr/bin/prometheus-alertmanager" "$folder/usr/bin/amtool"
"$folder/usr/bin/promtool" --version | sed -n '1s/ (.*//p'
