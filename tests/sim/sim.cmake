# 2,000 seeds: the first 200 under the sanitizers, the others in what is shipped, which is some eight times as fast.  Two
# tests each, so that both cores have one.
set(simulation_firsts 201 1101)
set(simulation_count 900)
if(BEHALF_SANITIZE)
    set(simulation_firsts 1 101)
    set(simulation_count 100)
endif()
set(simulation_sources simulation.c network.c actors.c judge.c history.c merges.c asking.c misdeeds.c
    once.c ownership.c process.c applying.c)
list(TRANSFORM simulation_sources PREPEND ${CMAKE_CURRENT_LIST_DIR}/)
add_library(simulation_parts OBJECT ${simulation_sources} ${CMAKE_SOURCE_DIR}/tests/unit/answers.c)
target_link_libraries(simulation_parts PUBLIC behalf_options behalf_ownership behalf_session
    behalf_memory_disk)
add_executable(simulation ${CMAKE_CURRENT_LIST_DIR}/main.c)
target_link_libraries(simulation PRIVATE simulation_parts)
foreach(first ${simulation_firsts})
    add_test(NAME sim/seeds_from_${first} COMMAND simulation ${first} ${simulation_count})
    set_tests_properties(sim/seeds_from_${first} PROPERTIES LABELS sim TIMEOUT 600)
endforeach()

# What a seed outside of these found once.  592: an author's deletion overtook the sensitive edit that came before it.
# 2631: an edit was answered whose post had come to be of a further item meanwhile, which the judge took for a loss.
set(simulation_kept 592 2631)
foreach(seed ${simulation_kept})
    add_test(NAME sim/seed_${seed} COMMAND simulation ${seed})
    set_tests_properties(sim/seed_${seed} PROPERTIES LABELS sim TIMEOUT 600)
endforeach()

# The same with a check of the broker left out, for tests/sim/find-holes: its own build of that one file comes first.
add_executable(simulation_holes EXCLUDE_FROM_ALL ${CMAKE_CURRENT_LIST_DIR}/main.c ${CMAKE_CURRENT_LIST_DIR}/holes.c
    ${CMAKE_CURRENT_LIST_DIR}/store_holes.c ${CMAKE_SOURCE_DIR}/broker/desk/authority.c)
set_source_files_properties(${CMAKE_SOURCE_DIR}/broker/desk/authority.c PROPERTIES COMPILE_OPTIONS
    "-include;${CMAKE_CURRENT_LIST_DIR}/holes.h")
target_compile_definitions(simulation_holes PRIVATE SIM_HOLES)
foreach(function broker_lease lease_watch_seen lease_hold_answered broker_stopped broker_hand_over engine_attempt
        broker_store_behind codec_next)
    target_link_options(simulation_holes PRIVATE LINKER:--wrap=${function})
endforeach()
target_link_libraries(simulation_holes PRIVATE simulation_parts)
if(NOT BEHALF_SANITIZE)
    set_target_properties(simulation_holes PROPERTIES EXCLUDE_FROM_ALL FALSE)
    add_test(NAME sim/holes_are_found COMMAND ${CMAKE_CURRENT_LIST_DIR}/find-holes --check)
    set_tests_properties(sim/holes_are_found PROPERTIES LABELS sim TIMEOUT 600 ENVIRONMENT
        "SIMULATIONS=${CMAKE_BINARY_DIR}/tests;JOBS=1")
endif()
