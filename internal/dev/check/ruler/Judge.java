import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.File;
import java.util.Map;
import java.util.TreeMap;
import software.amazon.event.ruler.JsonRuleCompiler;
import software.amazon.event.ruler.Machine;

/** Asks AWS's engine, in which all rules are at once, whether each event of a list matches the rule that it is for. */
public class Judge {
  public static void main(String[] args) throws Exception {
    JsonNode cases = new ObjectMapper().readTree(new File(args[0]));
    Map<String, String> patterns = new TreeMap<>();
    for (JsonNode one : cases) {
      patterns.put(one.get("Rule").asText(), one.get("Pattern").toString());
    }
    int problems = 0;
    Machine machine = Machine.builder().build();
    for (Map.Entry<String, String> rule : patterns.entrySet()) {
      String error = JsonRuleCompiler.check(rule.getValue());
      if (error != null) {
        System.err.println(rule.getKey() + ": " + error);
        problems++;
      } else {
        machine.addRule(rule.getKey(), rule.getValue());
      }
    }
    int matches = 0;
    for (JsonNode one : cases) {
      String rule = one.get("Rule").asText();
      boolean got = machine.rulesForJSONEvent(one.get("Event").toString()).contains(rule);
      matches += got ? 1 : 0;
      if (got != one.get("Match").asBoolean()) {
        System.err.println(rule + ", " + one.get("Name").asText() + ": AWS's engine says " + got);
        problems++;
      }
    }
    if (matches == 0 || patterns.isEmpty()) {
      System.err.println("nothing matches");
      problems++;
    }
    System.out.println(patterns.size() + " patterns and " + cases.size() + " events, as AWS's own engine matches them");
    System.exit(problems == 0 ? 0 : 1);
  }
}
