add_library(desk_world STATIC ${CMAKE_CURRENT_LIST_DIR}/desk_world.c)
target_link_libraries(desk_world PUBLIC behalf_options behalf_desk behalf)
behalf_test(desk_test SOURCES ${CMAKE_CURRENT_LIST_DIR}/desk_test.c LIBRARIES desk_world LABEL unit)
behalf_test(desk_hard_cases_test SOURCES ${CMAKE_CURRENT_LIST_DIR}/desk_hard_cases_test.c LIBRARIES desk_world LABEL unit)
