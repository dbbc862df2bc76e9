behalf_test(worker_prompt_test SOURCES ${CMAKE_CURRENT_LIST_DIR}/worker_prompt_test.c
    LIBRARIES behalf_worker_view LABEL unit)
behalf_test(worker_lines_test SOURCES ${CMAKE_CURRENT_LIST_DIR}/worker_lines_test.c
    LIBRARIES behalf_lines behalf_json LABEL unit)
behalf_test(connect_ledger_test SOURCES ${CMAKE_CURRENT_LIST_DIR}/connect_ledger_test.c
    LIBRARIES behalf_connector LABEL unit)
