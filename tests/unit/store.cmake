# The disk of tests, which fails by plan: the simulation has one, and so has what tests the broker without a socket.
add_library(behalf_memory_disk STATIC ${CMAKE_CURRENT_LIST_DIR}/memory_disk.c ${CMAKE_CURRENT_LIST_DIR}/faulty_engine.c
    ${CMAKE_CURRENT_LIST_DIR}/journaling_engine.c)
target_link_libraries(behalf_memory_disk PUBLIC behalf_options behalf_store PkgConfig::sqlite)
behalf_test(store_test SOURCES ${CMAKE_CURRENT_LIST_DIR}/store_test.c LIBRARIES behalf_store_desk behalf_memory_disk
    LABEL unit)
behalf_test(owner_test SOURCES ${CMAKE_CURRENT_LIST_DIR}/owner_test.c LIBRARIES behalf_store LABEL unit)
# Samples of records, for all tests that treat every column alike.
add_library(behalf_record_samples STATIC ${CMAKE_CURRENT_LIST_DIR}/record_samples.c)
target_link_libraries(behalf_record_samples PUBLIC behalf_options behalf_change)
behalf_test(codec_test SOURCES ${CMAKE_CURRENT_LIST_DIR}/codec_test.c LIBRARIES behalf_store behalf_record_samples LABEL unit)
