add_executable(language-accuracy ${CMAKE_CURRENT_LIST_DIR}/language_accuracy.c)
target_link_libraries(language-accuracy PRIVATE behalf_options behalf_language ${CSV_LIBRARY})
add_test(NAME system/language_accuracy COMMAND language-accuracy --data ${PROJECT_SOURCE_DIR}/../shared/data)
set_tests_properties(system/language_accuracy PROPERTIES LABELS system TIMEOUT 600 SKIP_RETURN_CODE 77)
