# SPDX-License-Identifier: MIT
# The examples: each is one file, built as example_<name>.
set(DS_EXAMPLES
	epoll_loop
	gds_safetensors
	gds_vectors
	read_file
	stream_assets)
