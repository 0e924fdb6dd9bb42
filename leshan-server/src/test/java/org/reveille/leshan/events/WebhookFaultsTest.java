package org.reveille.leshan.events;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.reveille.leshan.Conditions.await;

import java.net.URI;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Named;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.api.parallel.Execution;
import org.junit.jupiter.api.parallel.ExecutionMode;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;
import org.reveille.leshan.json.Json;
import org.reveille.leshan.store.Store;

/** Tests that delivery continues after responses that stall, never end, end too early or are not HTTP. */
@Execution(ExecutionMode.CONCURRENT)
class WebhookFaultsTest {
    /** Short where it must elapse; the other one is long, since it must not. */
    private static final Duration TIMEOUT = Duration.ofMillis(1_500);
    private static final Duration LONG_TIMEOUT = Duration.ofSeconds(20);
    private static final String OK = "HTTP/1.1 200 OK\r\n";

    @TempDir
    private Path folder;
    private final List<PostOutcome> outcomes = new CopyOnWriteArrayList<>();
    private Store store;
    private Outbox outbox;

    @AfterEach
    void close() throws Exception {
        outbox.close();
        store.close();
    }

    static Stream<Arguments> badAnswers() {
        return Stream.of(
                bad("none", PostOutcome.TIMEOUT, (connection, out) -> { }),
                bad("body stalls", PostOutcome.TIMEOUT, RawReceiver.text(OK + "Content-Length: 10\r\n\r\nabc")),
                bad("chunk stalls", PostOutcome.TIMEOUT,
                        RawReceiver.text(OK + "Transfer-Encoding: chunked\r\n\r\na\r\nabc")),
                bad("head stalls", PostOutcome.TIMEOUT, RawReceiver.text(OK + "Content-Le")),
                bad("body byte by byte", PostOutcome.TIMEOUT,
                        RawReceiver.endless(OK + "Content-Length: 100\r\n\r\n", "a", 100, 50)),
                bad("head byte by byte", PostOutcome.TIMEOUT, RawReceiver.endless(OK + "X: ", "a", 100, 50)),
                bad("interim responses", PostOutcome.TIMEOUT,
                        RawReceiver.endless("", "HTTP/1.1 100 Continue\r\n\r\n", 5, 150)),
                bad("body ends too early", PostOutcome.FAILED, (connection, out) -> {
                    RawReceiver.text(OK + "Content-Length: 10\r\n\r\nabc").write(connection, out);
                    connection.shutdownOutput();
                }),
                bad("closed without an answer", PostOutcome.FAILED, (connection, out) -> connection.shutdownOutput()),
                bad("too many interim responses", PostOutcome.FAILED,
                        RawReceiver.endless("", "HTTP/1.1 102 Processing\r\n\r\n", 50, 0)),
                bad("too large a head", PostOutcome.FAILED,
                        RawReceiver.endless(OK, "X: " + "a".repeat(1020) + "\r\n", 1024, 0)),
                bad("no HTTP", PostOutcome.FAILED, RawReceiver.text("220 mail.example.org ESMTP\r\n")),
                bad("redirect", PostOutcome.UNAVAILABLE,
                        RawReceiver.text("HTTP/1.1 307 Moved\r\nLocation: /elsewhere\r\n"
                                + "Connection: close\r\nContent-Length: 0\r\n\r\n")));
    }

    @ParameterizedTest
    @MethodSource("badAnswers")
    void aPostWithoutACompleteResponseIsRepeated(RawReceiver.Answer answer, PostOutcome outcome) throws Exception {
        try (RawReceiver receiver = new RawReceiver(answer)) {
            open(receiver.uri("http"), outcome == PostOutcome.TIMEOUT ? TIMEOUT : LONG_TIMEOUT);
            publish(0, 3);
            await(() -> receiver.posts.size() == 1);
            publish(3, 5);
            await(() -> outbox.status().delivered() == 5);
            assertEquals(IntStream.range(0, 5).boxed().toList(), numbers(receiver));
            assertEquals(receiver.posts.get(0).id(), receiver.posts.get(1).id());
            assertEquals(receiver.posts.get(0).body(), receiver.posts.get(1).body());
            assertEquals(outcome, outcomes.get(0));
            assertTrue(outcomes.stream().skip(1).allMatch(PostOutcome.TAKEN::equals), outcomes::toString);
            assertEquals(null, outbox.status().lastError());
            assertEquals(Duration.ZERO, outbox.status().failing());
            await(() -> receiver.open.get() == 1);
        }
    }

    @Test
    void theConnectionOfAnAnswerThatStallsIsClosed() throws Exception {
        RawReceiver.Answer stalls = RawReceiver.text(OK + "Content-Length: 10\r\n\r\nabc");
        try (RawReceiver receiver = new RawReceiver(stalls, stalls)) {
            open(receiver.uri("http"), TIMEOUT);
            publish(0, 1);
            await(() -> outbox.status().delivered() == 1);
            assertEquals(3, receiver.accepted.get());
            await(() -> receiver.open.get() == 1);
        }
    }

    @Test
    void theStatusOfAnEndlessResponseCounts() throws Exception {
        String kilobyte = "x".repeat(1024);
        try (RawReceiver receiver = new RawReceiver(
                RawReceiver.endless(OK + "Content-Length: 1000000000\r\n\r\n", kilobyte, 32 << 10, 0))) {
            open(receiver.uri("http"), LONG_TIMEOUT);
            publish(0, 1);
            await(() -> outbox.status().delivered() == 1);
            publish(1, 2);
            await(() -> outbox.status().delivered() == 2);
            assertEquals(2, receiver.posts.size());
            await(() -> receiver.open.get() == 1);
        }
    }

    @Test
    void onlyTheBeginningOfARefusalIsStored() throws Exception {
        String kilobyte = "x".repeat(1024);
        try (RawReceiver receiver = new RawReceiver(RawReceiver.endless(
                "HTTP/1.1 422 No\r\nContent-Length: 1000000000\r\n\r\n", kilobyte, 32 << 10, 0))) {
            open(receiver.uri("http"), LONG_TIMEOUT);
            publish(0, 1);
            await(() -> outbox.status().refused() == 1);
            assertEquals(List.of(PostOutcome.REFUSED), outcomes);
        }
    }

    @Test
    void theConnectionToAReceiverThatReadsNothingIsClosed() throws Exception {
        try (RawReceiver receiver = new RawReceiver(false)) {
            open(receiver.uri("http"), TIMEOUT);
            outbox.publish("dev", "SEND", Json.object().put("text", "x".repeat(8 << 20)));
            await(() -> outcomes.size() >= 2);
            await(() -> receiver.accepted.get() - receiver.open.get() >= 2);
            assertTrue(outcomes.stream().allMatch(PostOutcome.TIMEOUT::equals), outcomes::toString);
            assertEquals("no complete answer within 1.5 s", outbox.status().lastError());
            assertTrue(outbox.status().failing().compareTo(TIMEOUT) >= 0);
            assertEquals(1, outbox.status().waiting());
        }
    }

    @Test
    void aHandshakeThatStallsEnds() throws Exception {
        try (RawReceiver receiver = new RawReceiver(false)) {
            open(receiver.uri("https"), TIMEOUT);
            publish(0, 1);
            await(() -> outcomes.size() >= 2);
            await(() -> receiver.accepted.get() - receiver.open.get() >= 2);
            assertTrue(outcomes.stream().allMatch(PostOutcome.TIMEOUT::equals), outcomes::toString);
            assertEquals(1, outbox.status().waiting());
        }
    }

    private void open(URI webhook, Duration timeout) throws Exception {
        store = new Store(folder.resolve("outbox.db"));
        outbox = new Outbox(store, new Outbox.Options("test", webhook, List.of(), null, 64 << 20, Duration.ofDays(1),
                1 << 20, Duration.ofHours(1), timeout, null), (outcome, duration) -> outcomes.add(outcome));
    }

    private void publish(int from, int to) {
        for (int i = from; i < to; i++) {
            outbox.publish("dev", "SEND", Json.object().put("n", i)).join();
        }
    }

    private static Arguments bad(String name, PostOutcome outcome, RawReceiver.Answer answer) {
        return Arguments.of(Named.of(name, answer), outcome);
    }

    private static List<Integer> numbers(RawReceiver receiver) {
        return receiver.taken().stream().map(event -> event.get("data").get("n").asInt()).toList();
    }
}
