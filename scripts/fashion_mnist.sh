# Sourced: sets FASHION_MNIST to a folder with the four gzipped IDX files and the classes' names. The files are those
# of Debian's package where it is installed, else from their public address; as root the package is installed where
# that cannot be reached. Their contents are checked.

fashion_sums='c59f468a2f672dc815687fe0f83887768d799fd8a3f3276145d20f83aa44d888  train-images-idx3-ubyte.gz
bad3541b69d912435c50bb6ba87bec294ff4f6a2e1246121d8633921760443d9  train-labels-idx1-ubyte.gz
5b4141f0afbad91edebe8549f8fcffe087ea10ca49f1dbef5c9a5cd8815ce37b  t10k-images-idx3-ubyte.gz
0402a96d92fd2663957122ceb108a494c5af83dab82d92729df917d7dec38c34  t10k-labels-idx1-ubyte.gz'
fashion_url=http://fashion-mnist.s3-website.eu-central-1.amazonaws.com

whole() {
    local sum name found
    while read -r sum name; do
        found=$(gzip -dc "$1/$name" 2>/dev/null | sha256sum)
        [ "${found%% *}" = "$sum" ] || return 1
    done <<<"$fashion_sums"
}

# Asks nobody for more rights than there are.
install_package() {
    [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null || return 1
    echo "installing Debian's package dataset-fashion-mnist" >&2
    { apt-get update -qq && apt-get install -y -qq dataset-fashion-mnist; } >/dev/null 2>&1
}

download() {
    local sum name
    while read -r sum name; do
        python -c 'import sys, urllib.request as u; u.urlretrieve(*sys.argv[1:])' "$fashion_url/$name" "$1/$name" 2>/dev/null ||
            return 1
    done <<<"$fashion_sums"
}

# Fills the folder $1: links to the package's files, or the files themselves, and the classes' names.
gather() {
    local package=/usr/share/datasets/fashion-mnist
    mkdir -p "$1"
    if ! whole "$package" && download "$1"; then
        :
    elif whole "$package" || { install_package && whole "$package"; }; then
        ln -sf "$package"/*.gz "$1"
    fi
    printf '%s\n' T-shirt Trouser Pullover Dress Coat Sandal Shirt Sneaker Bag 'Ankle boot' >"$1/classes.txt"
}

FASHION_MNIST=images/fashion-mnist
if ! whole "$FASHION_MNIST" && ! { gather "$FASHION_MNIST" && whole "$FASHION_MNIST"; }; then
    echo "Fashion-MNIST cannot be had: install Debian's package dataset-fashion-mnist, or put its four .gz files into" \
        "$PWD/$FASHION_MNIST, and run this again" >&2
    exit 1
fi
