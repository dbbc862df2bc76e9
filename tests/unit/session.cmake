behalf_test(session_test SOURCES unit/session_test.c LIBRARIES behalf LABEL unit)
behalf_test(client_test SOURCES unit/client_test.c LIBRARIES behalf LABEL unit)
