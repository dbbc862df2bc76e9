behalf_test(visible_text_test SOURCES ${CMAKE_CURRENT_LIST_DIR}/visible_text_test.c LIBRARIES behalf_visible LABEL unit)
