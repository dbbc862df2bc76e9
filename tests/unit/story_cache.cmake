behalf_test(story_cache_test SOURCES ${CMAKE_CURRENT_LIST_DIR}/story_cache_test.c
    LIBRARIES behalf_session behalf_store_desk behalf_postgres_cluster LABEL unit)
add_test(NAME system/story_cache_postgres COMMAND story_cache_test postgres)
set_tests_properties(system/story_cache_postgres PROPERTIES LABELS system TIMEOUT 600 SKIP_RETURN_CODE 77)
