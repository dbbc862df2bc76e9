behalf_test(plain_text_test SOURCES ${CMAKE_CURRENT_LIST_DIR}/plain_text_test.c LIBRARIES behalf_language LABEL unit)
behalf_test(language_test SOURCES ${CMAKE_CURRENT_LIST_DIR}/language_test.c LIBRARIES behalf_language LABEL unit)
