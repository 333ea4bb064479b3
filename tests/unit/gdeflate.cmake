# SPDX-License-Identifier: MIT
# The GDeflate codec's tests. A sample of the conformance vectors is in the tree; the
# whole set is run where it lies beside it.
ds_unit_test(test_gdeflate SOURCES test_gdeflate.c test_gdeflate_util.c)
ds_unit_test(test_gdeflate_vectors SOURCES test_gdeflate_vectors.c test_gdeflate_util.c
	ARGS "${PROJECT_SOURCE_DIR}/tests/data/gdeflate")

set(ds_all_vectors "${PROJECT_SOURCE_DIR}/../shared/vectors/gdeflate")
if(EXISTS "${ds_all_vectors}/manifest.tsv")
	add_test(NAME unit_gdeflate_all_vectors
		COMMAND test_gdeflate_vectors "${ds_all_vectors}")
endif()
