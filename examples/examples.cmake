# SPDX-License-Identifier: MIT
# The examples: each is one file, built as example_<name>.
set(DS_EXAMPLES
	epoll_loop
	gdeflate_codec
	read_file
	stream_assets)
