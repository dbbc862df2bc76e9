# The verbs of the store's tests are used by the system tests of its faults, too.
add_library(behalf_store_desk STATIC ${CMAKE_CURRENT_LIST_DIR}/store_desk.c)
target_link_libraries(behalf_store_desk PUBLIC behalf_options behalf_store behalf_record_samples)
# A PostgreSQL of a test's own, which the system tests use as well.
add_library(behalf_postgres_cluster STATIC ${CMAKE_CURRENT_SOURCE_DIR}/system/postgres_cluster.c)
target_link_libraries(behalf_postgres_cluster PUBLIC behalf_options PkgConfig::postgres ${CMOCKA_LIBRARY})
behalf_test(store_conformance_test SOURCES ${CMAKE_CURRENT_LIST_DIR}/store_conformance_test.c
    LIBRARIES behalf_store_desk behalf_memory_disk behalf_postgres_cluster LABEL unit)
foreach(form postgres shared)
    add_test(NAME system/store_conformance_${form} COMMAND store_conformance_test ${form})
    set_tests_properties(system/store_conformance_${form} PROPERTIES LABELS system TIMEOUT 600 SKIP_RETURN_CODE 77)
endforeach()
