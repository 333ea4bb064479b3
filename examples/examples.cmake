# SPDX-License-Identifier: MIT
# The examples: each is one file, built as example_<name>.
set(DS_EXAMPLES
	epoll_loop
	gdeflate_codec
	gds_safetensors
	gds_vectors
	read_file
	stream_assets
	vulkan_upload)
# These call Vulkan themselves.
if(DS_HAVE_VULKAN)
	find_library(DS_VULKAN_LIBRARY vulkan)
	if(DS_VULKAN_LIBRARY)
		list(APPEND DS_EXAMPLES vulkan_share_device vulkan_texture)
	endif()
endif()
