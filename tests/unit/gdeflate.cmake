# SPDX-License-Identifier: MIT
# The GDeflate codec's tests. A sample of the conformance vectors is in the tree; the
# whole set is run where it lies beside it.
ds_unit_test(test_gdeflate SOURCES test_gdeflate.c test_gdeflate_util.c)
ds_unit_test(test_gdeflate_vectors SOURCES test_gdeflate_vectors.c test_gdeflate_util.c
	ARGS "${PROJECT_SOURCE_DIR}/tests/data/gdeflate")

set(ds_all_vectors "${PROJECT_SOURCE_DIR}/../shared/vectors/gdeflate")
if(TARGET test_gdeflate_vectors AND EXISTS "${ds_all_vectors}/manifest.tsv")
	ds_add_test(unit_gdeflate_all_vectors LABELS unit
		COMMAND test_gdeflate_vectors "${ds_all_vectors}")
endif()
ds_unit_test(test_gdeflate_codec SOURCES test_gdeflate_codec.c)
