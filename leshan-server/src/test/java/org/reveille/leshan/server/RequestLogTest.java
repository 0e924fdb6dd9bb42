package org.reveille.leshan.server;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.IOException;
import java.nio.file.Path;
import java.sql.SQLException;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.atomic.AtomicLong;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.reveille.leshan.json.Json;
import org.reveille.leshan.server.Failure.Code;
import org.reveille.leshan.store.Store;

class RequestLogTest {
    private static final HttpAnswer DONE = HttpAnswer.json(Json.object().put("status", "CHANGED(204)"));
    private static final HttpAnswer TIMEOUT = HttpAnswer.failure(
            new Failure(Code.REQUEST_TIMEOUT, "Request timeout", Delivery.MAY_HAVE_REACHED, null));

    @TempDir
    Path folder;
    private final AtomicLong now = new AtomicLong(1_000_000_000_000L);
    private final List<ObjectNode> told = new ArrayList<>();
    private Store store;
    private RequestLog log;

    @BeforeEach
    void open() throws IOException {
        store = new Store(folder.resolve("test.sqlite"));
        log = RequestLog.open(store, (connection, endpoint, data) -> told.add(data), now::get);
    }

    @AfterEach
    void close() throws Exception {
        store.close();
    }

    @Test
    void anIdBeginsOnce() throws SQLException {
        assertNull(log.begin(request("1/1", "digest")).join());
        RequestEntry known = log.begin(request("1/1", "digest")).join();
        assertEquals(RequestEntry.State.RUNNING, known.state());
        assertEquals("RUNNING", RequestEntry.json("1/1", log.find("1/1")).get("state").asText());
    }

    @Test
    void whatCameOfItIsAnsweredAndTold() throws SQLException {
        RequestEntry entry = request("1/1", "digest");
        log.begin(entry).join();
        log.end(entry, DONE, Delivery.ANSWERED).join();
        assertEquals(DONE, log.find("1/1").answerTo("digest"));
        assertEquals(RequestEntry.REUSED, log.find("1/1").answerTo("another"));
        assertEquals("{\"ep\":\"dev\",\"path\":\"/3/0/4\",\"requestId\":\"1/1\","
                + "\"response\":{\"status\":\"CHANGED(204)\"},\"delayed\":false}", Json.write(told.get(0)));
    }

    @Test
    void anErrorIsKeptAsJsonAndAnsweredAsItWas() throws SQLException {
        RequestEntry entry = request("1/1", "digest");
        log.begin(entry).join();
        log.end(entry, TIMEOUT, Delivery.MAY_HAVE_REACHED).join();
        assertEquals(TIMEOUT, log.find("1/1").answerTo("digest"));
        assertEquals(504, RequestEntry.json("1/1", log.find("1/1")).at("/answer/status").asInt());
        assertEquals("REQUEST_TIMEOUT", told.get(0).at("/error/code").asText());
    }

    @Test
    void aRefusalBeforeAnythingWasSentIsForgotten() throws SQLException {
        RequestEntry entry = request("1/1", "digest");
        log.begin(entry).join();
        Failure asleep = Failure.refusal(Code.CLIENT_SLEEPING, "Invalid request: asleep");
        log.end(entry, HttpAnswer.failure(asleep), Delivery.NOT_SENT).join();
        assertNull(log.find("1/1"));
        assertEquals(List.of(), told);
    }

    @Test
    void aClosedIdIsNotReceivedAndNeverWillBe() throws SQLException {
        log.close("1/1").join();
        assertEquals("{\"id\":\"1/1\",\"state\":\"NOT_RECEIVED\"}",
                Json.write(RequestEntry.json("1/1", log.find("1/1"))));
        RequestEntry known = log.begin(request("1/1", "digest")).join();
        assertEquals(Code.REQUEST_CLOSED, known.answerTo("digest").failure().code());
    }

    @Test
    void closingChangesNothingOfAnIdThatCame() {
        RequestEntry entry = request("1/1", "digest");
        log.begin(entry).join();
        log.end(entry, DONE, Delivery.ANSWERED).join();
        assertEquals(DONE, log.close("1/1").join().answerTo("digest"));
    }

    @Test
    void whatRanWhenTheServerStoppedIsInterrupted() throws Exception {
        log.begin(request("1/1", "digest")).join();
        store.close();
        open();
        assertEquals(Code.INTERRUPTED, log.find("1/1").answerTo("digest").failure().code());
        assertEquals("INTERRUPTED", RequestEntry.json("1/1", log.find("1/1")).get("state").asText());
        assertEquals("INTERRUPTED", told.get(0).at("/error/code").asText());
        store.close();
        open();
        assertEquals(1, told.size());
    }

    @Test
    void aDayLaterAnIdIsForgotten() throws SQLException {
        RequestEntry entry = request("1/1", "digest");
        log.begin(entry).join();
        log.end(entry, DONE, Delivery.ANSWERED).join();
        now.addAndGet(RequestLog.HISTORY_S * 1_000 - 1);
        log.begin(request("1/2", "digest")).join();
        assertEquals(DONE, log.find("1/1").answerTo("digest"));
        now.addAndGet(10_002);
        log.begin(request("1/3", "digest")).join();
        assertNull(log.find("1/1"));
    }

    @Test
    void asManyAreForgottenAsCome() throws Exception {
        for (int i = 0; i < 1_500; i++) {
            keep("old/" + i);
        }
        now.addAndGet(RequestLog.HISTORY_S * 1_000 + 1);
        for (int i = 0; i < 1_000; i++) {
            keep("new/" + i);
        }
        assertEquals(1_000, rows());
    }

    @Test
    void noMoreAreKnownThanMayBe() throws Exception {
        log = RequestLog.open(store, (connection, endpoint, data) -> told.add(data), now::get, 100);
        log.begin(request("running/1", "digest")).join();
        for (int i = 0; i < 1_000; i++) {
            keep("1/" + i);
        }
        // The running one, and what came since it was last looked after.
        assertTrue(rows() <= 1 + 100 + 500, rows() + " rows");
        assertEquals(RequestEntry.State.RUNNING, log.find("running/1").state());
        assertNull(log.find("1/0"));
        assertEquals(DONE, log.find("1/999").answerTo("digest"));
    }

    @Test
    void whatCouldNotBeWrittenIsInterruptedToWhoClosesItToo() throws Exception {
        Store broken = new Store(folder.resolve("broken.sqlite"));
        RequestLog failing = RequestLog.open(broken, (connection, endpoint, data) -> {
            throw new SQLException("the disk is full");
        }, now::get);
        RequestEntry entry = request("1/1", "digest");
        failing.begin(entry).join();
        assertEquals(DONE, failing.end(entry, DONE, Delivery.ANSWERED).join());
        assertEquals(RequestEntry.State.INTERRUPTED, failing.find("1/1").state());
        assertEquals(RequestEntry.State.INTERRUPTED, failing.close("1/1").join().state());
        broken.close();
    }

    private void keep(String id) {
        RequestEntry entry = request(id, "digest");
        log.begin(entry);
        log.end(entry, DONE, Delivery.ANSWERED).join();
    }

    private long rows() throws SQLException {
        return store.read(connection -> {
            try (var rows = connection.createStatement().executeQuery("SELECT count(*) FROM requests")) {
                rows.next();
                return rows.getLong(1);
            }
        });
    }

    @Test
    void whatIsAnId() {
        assertTrue(RequestLog.isId("3f2a-77/1"));
        assertTrue(RequestLog.isId("a.b~c_d:e/12"));
        for (String none : List.of("", "a", "a/b/c", "/a", "a/", "../a", "a/..", "./a", "a b/1", "ä/1", "a%2F/1")) {
            assertFalse(RequestLog.isId(none), none);
        }
    }

    private static RequestEntry request(String id, String digest) {
        return RequestEntry.running(id, "dev", "/3/0/4", digest);
    }
}
