find_program(BEHALF_PYTHON python3 PATHS /usr/bin NO_DEFAULT_PATH)
if(BEHALF_PYTHON)
    add_test(NAME system/real_posts_test COMMAND ${BEHALF_PYTHON} -u ${CMAKE_CURRENT_LIST_DIR}/real_posts_test.py
        --broker $<TARGET_FILE:behalf-broker> --ctl $<TARGET_FILE:behalf-ctl> --connect $<TARGET_FILE:behalf-connect>
        --data ${PROJECT_SOURCE_DIR}/../shared/data)
    set_tests_properties(system/real_posts_test PROPERTIES LABELS system TIMEOUT 600 SKIP_RETURN_CODE 77)
endif()
