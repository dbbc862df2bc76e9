# What triage of a post costs; the bound of any text is held by tests/unit/triage_bound_test.c.
add_library(behalf_hostile_texts STATIC ${CMAKE_CURRENT_LIST_DIR}/hostile_texts.c)
target_link_libraries(behalf_hostile_texts PRIVATE behalf_options)
add_executable(behalf-triage-bench ${CMAKE_CURRENT_LIST_DIR}/triage.c)
target_link_libraries(behalf-triage-bench PRIVATE behalf_options behalf_triage behalf_hostile_texts ${CSV_LIBRARY}
    PkgConfig::jansson)
