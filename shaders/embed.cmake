# SPDX-License-Identifier: MIT
# cmake -DIN=x.spv -DOUT=x.spv.inc -P embed.cmake: a file of 32-bit words, as an initializer.
file(READ "${IN}" hex HEX)
string(REGEX REPLACE "(..)(..)(..)(..)" "0x\\4\\3\\2\\1,\n" words "${hex}")
file(WRITE "${OUT}" "{\n${words}}\n")
